"""Each seeded mistake is understood, or answered with its own cause, place and remedy."""

import re
from pathlib import Path

import pytest

from jobs.validate import validate
from service.dataset_files import table_name
from service.schemas.datasets import Validation
from tests.mistakes.toy import GENE_TABLE, SHEET, Mistake, table
from tests.service.mistakes import mistakes

MISTAKES = list(mistakes())


def said_of(mistake: Mistake, folder: Path) -> Validation:
    """As the child of a gateway says it."""
    path, sheet, genes = folder / table_name(mistake.table[:8]), None, None
    path.write_bytes(mistake.table)
    if mistake.sheet is not None:
        sheet = folder / "labels-ab.csv"
        sheet.write_bytes(mistake.sheet)
    if mistake.with_genes:
        genes = folder / "genes.csv"
        genes.write_text(GENE_TABLE)
    (folder / "out").mkdir()
    return validate(path, sheet, genes, None, "table.csv", folder / "out")


def answers(said: Validation, mistake: Mistake) -> bool:
    """Whether one fault, or one note of what is understood, is the mistake's."""
    if not mistake.remedy:
        notes = said.report.notes if said.report is not None else []
        return any(re.search(mistake.place, note) and re.search(mistake.cause, note) for note in notes)
    faults = [said.problem] if said.problem is not None else []
    faults += said.report.warnings if said.report is not None else []
    return any(
        re.search(mistake.place, f"{fault.where}: {fault.what}")
        and re.search(mistake.cause, fault.what)
        and re.search(mistake.remedy, fault.remedy)
        for fault in faults
    )


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.name for mistake in MISTAKES])
def test_a_mistake_is_understood_or_answered_with_cause_place_and_remedy(
    mistake: Mistake, tmp_path: Path
) -> None:
    said = said_of(mistake, tmp_path)
    assert answers(said, mistake), said
    assert str(tmp_path) not in said.model_dump_json()
    if not mistake.remedy:
        assert said.valid
        assert said.report is not None
        assert said.report.n_samples == 6


def test_what_is_right_is_told_nothing_and_answers_no_mistake(tmp_path: Path) -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 60
    said = said_of(Mistake("none", table().encode(), SHEET.encode(), "", "", ""), tmp_path)
    assert said.valid
    assert said.report is not None
    assert (said.report.warnings, said.report.notes) == ([], [])
    assert not [mistake.name for mistake in MISTAKES if answers(said, mistake)]


def test_a_mistakes_answer_is_its_own(tmp_path: Path) -> None:
    """What is said of every other mistake does not do for one that is refused or warned of."""
    said = []
    for number, mistake in enumerate(MISTAKES):
        (tmp_path / str(number)).mkdir()
        said.append(said_of(mistake, tmp_path / str(number)))
    wrong = [
        (mistake.name, other.name)
        for mistake in MISTAKES
        for other, answer in zip(MISTAKES, said, strict=True)
        if mistake.remedy and other is not mistake and answers(answer, mistake)
    ]
    assert set(wrong) == {("CPM", "TPM"), ("TPM", "CPM")}  # which of the two it was nobody can see
