"""Files that nobody should take (tests/hostile), posted to a running gateway."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.hostile_uploads import Class, besiege, figures
from service.datasets.rows import is_name
from tests.hostile.corpus import QUICK, corpus, part
from tests.hostile.files import HostileFile, columns, h5ad, parquet
from tests.hostile.siege import Answer, Siege, besieged
from tests.service.toy_tables import SHEET, table


@dataclass(frozen=True)
class Attack:
    siege: Siege
    classes: list[Class]

    @property
    def answers(self) -> list[Answer]:
        return [answer for one in self.classes for answer in one.answers]


@pytest.fixture(scope="module")
def siege(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    with besieged(tmp_path_factory.mktemp("siege")) as siege:
        yield siege


@pytest.fixture(scope="module")
def attack(siege: Siege) -> Attack:
    """The quick tier, every tenth of it uploaded for good too."""
    return Attack(siege, besiege(siege, part(corpus(siege.canaries.folder), QUICK), 2, honest_after=20))


def test_the_corpus_has_more_than_500_files_of_25_classes_and_is_the_same_each_time(tmp_path: Path) -> None:
    files = corpus(tmp_path)
    kinds = Counter(file.kind for file in files)
    assert len(files) >= 500
    assert len(kinds) >= 25
    assert {file.kind for file in part(files, QUICK)} == set(kinds)
    # Or it would be its name that is refused.
    assert {file.kind for file in files if not is_name(file.name)} == {"names that slip"}
    quick = [file.body for file in part(corpus(tmp_path), QUICK) if isinstance(file.content, bytes)]
    assert quick == [file.body for file in part(files, QUICK) if isinstance(file.content, bytes)]


@pytest.mark.parametrize("good", [table(), h5ad(), parquet(columns())], ids=["text", "h5ad", "Parquet"])
def test_the_files_that_hostile_ones_are_made_of_are_good(siege: Siege, good: bytes) -> None:
    answer = siege.post(HostileFile("none", "good", good, "", SHEET))
    assert answer.status == 200, answer.detail
    assert answer.leaks == 0


def test_every_hostile_file_is_refused_by_a_problem_that_names_its_fault(attack: Attack) -> None:
    assert len(attack.answers) > QUICK
    wrong = [
        (answer.file.kind, answer.file.name[:60], answer.status, answer.detail)
        for answer in attack.answers
        if not (answer.refused and answer.names_the_fault)
    ]
    assert not wrong


def test_no_answer_holds_a_word_from_outside_the_jail_or_a_path(attack: Attack) -> None:
    assert not [answer.file.name for answer in attack.answers if answer.leaks]


def test_the_gateway_is_unharmed(attack: Attack) -> None:
    assert [one.kind for one in attack.classes if not one.unharmed] == []
    assert not attack.siege.has_restarted()


def test_reading_them_takes_less_than_two_gib(attack: Attack) -> None:
    peaks = {one.kind: one.peak_mib for one in attack.classes}
    assert 50 < max(peaks.values()) <= 2048, peaks


def test_a_word_from_outside_would_be_noticed(siege: Siege) -> None:
    body = table().replace(b"S3", siege.canaries.word.encode())
    answer = siege.post(HostileFile("none", "leak", body, ""))
    assert (answer.status, answer.leaks) == (200, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_hostile_files_are_refused(siege: Siege) -> None:
    found = figures(siege, besiege(siege, corpus(siege.canaries.folder), 2))
    assert found["files"] >= 500
    wanted = ("not_4xx", "leaks", "mismatched_sentences", "honest_refused", "gateway_restarts")
    assert {name: found[name] for name in wanted} == dict.fromkeys(wanted, 0)
    assert found["peak_child_mib"] <= 2048
