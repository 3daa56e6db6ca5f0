"""Versions of a guide: a chain that is the same whoever folds it, in how many goes, after which crash."""

from collections.abc import Callable
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from rnalearner.checkpoint import load_meta
from rnalearner.config import ScoutingConfig
from rnalearner.errors import CheckpointError
from rnalearner.guide.ledger import Ledger
from rnalearner.guide.movement import Movement
from rnalearner.guide.scaling import Guide, scaled
from rnalearner.guide.versions import (
    RANKED,
    GuideVersions,
    Version,
    agreement,
    converged,
    read_version,
    read_versions,
)
from rnalearner.layout import RunLayout
from rnalearner.publish import sha256_of
from rnalearner.storage import Storage
from tests.toy_deltas import BASE, announce, bits, folded, ledger_on, random_delta

N_SCOUTS = 5
META = {"base_checkpoint": BASE, "gene_set": "f" * 64}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = ledger_on(Storage(tmp_path / "deltas"))
    for scout_id in range(N_SCOUTS):
        assert ledger.push(announce(ledger.storage, random_delta(scout_id, accuracy=0.9))).accepted
    return ledger


@pytest.fixture
def versions(tmp_path: Path, ledger: Ledger) -> Callable[..., GuideVersions]:
    """Those of folder `name`, over a ledger that was opened anew."""

    def make(name: str = "run", ledger_: Ledger | None = None, **config: object) -> GuideVersions:
        return GuideVersions(
            RunLayout(tmp_path / name),
            ledger_ or ledger_on(ledger.storage),
            ScoutingConfig(**config),  # type: ignore[arg-type]
            META,
        )

    return make


def published(layout: RunLayout) -> dict[str, bytes]:
    """Every file of guide, movement and versions."""
    folder = layout.phase("scout")
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def one_by_one(made: GuideVersions, n: int = N_SCOUTS) -> list[Version]:
    return [made.publish(number, range(number)) for number in range(1, n + 1)]


def test_a_version_names_its_scouts_and_its_parent(versions):
    made = versions()
    chain = one_by_one(made, 3)
    assert [v.number for v in chain] == [1, 2, 3]
    assert [v.members for v in chain] == [(0,), (0, 1), (0, 1, 2)]
    assert [v.parent for v in chain] == ["", chain[0].sha256, chain[1].sha256]
    assert chain[0].agreement is None
    assert all(-1 <= v.agreement <= 1 for v in chain[1:])
    assert len({v.sha256 for v in chain}) == 3
    assert read_versions(made.layout) == chain
    assert read_version(made.layout, 2) == chain[1]
    assert read_version(made.layout, 4) is None


def test_the_guide_on_disk_is_the_newest_version_and_says_so(versions):
    made = versions()
    chain = one_by_one(made, 3)
    guide = Guide.load(made.layout.guide, META)
    assert sha256_of(made.layout.guide / "weights.safetensors") == chain[-1].sha256
    told = {"guide_version": 3, "parent": chain[1].sha256, "scouts": [0, 1, 2], "n_scouts": 3}
    assert guide.meta == META | told | {"agreement": chain[2].agreement}
    movement = folded([random_delta(i, accuracy=0.9) for i in range(3)])
    expected = scaled(movement.measured("squared"), "per_tensor")
    assert guide.values.keys() == expected.keys()
    assert all(torch.equal(guide.values[name], value) for name, value in expected.items())
    assert bits(Movement.load(made.layout.movement)) == bits(movement)
    assert load_meta(made.layout.movement)["gene_set"] == META["gene_set"]


def test_a_version_agrees_with_its_parent_as_its_values_do(versions):
    chain = one_by_one(versions())
    values = [scaled(folded([random_delta(i) for i in version.members]).measured()) for version in chain]
    assert [v.agreement for v in chain] == [None, *(agreement(*two) for two in pairwise(values))]


def test_a_version_that_is_asked_for_again_is_the_same_to_the_byte(versions):
    made = versions()
    chain = one_by_one(made)
    before = published(made.layout)
    assert made.publish(N_SCOUTS, range(N_SCOUTS)) == chain[-1]
    assert made.publish(2, [1, 0]) == chain[1]
    assert published(made.layout) == before
    assert one_by_one(versions()) == chain
    assert published(made.layout) == before


@pytest.mark.parametrize("gone", ["manifest", "guide", "movement"])
def test_whoever_died_while_publishing_is_followed_by_one_that_publishes_the_same_bytes(versions, gone):
    made = versions()
    one_by_one(made, 3)
    before = published(made.layout)
    made.layout.guide_version(3).unlink()  # written last: without it the version does not count
    if gone != "manifest":
        folder = {"guide": made.layout.guide, "movement": made.layout.movement}[gone]
        for path in folder.iterdir():
            path.unlink()
    one_by_one(versions(), 3)
    assert published(made.layout) == before


@pytest.mark.parametrize("n_before", range(1, N_SCOUTS))
def test_another_one_over_the_same_storage_goes_on_to_the_same_bytes(versions, n_before):
    one_by_one(versions("whole"))
    one_by_one(versions("parts"), n_before)
    one_by_one(versions("parts"))
    assert published(versions("parts").layout) == published(versions("whole").layout)


@pytest.mark.parametrize("measure", ["squared", "absolute", "signal_to_noise"])
@pytest.mark.parametrize("scaling", ["per_tensor", "model_wide"])
@pytest.mark.parametrize("weighing", ["evenly", "convergence", "effect"])
def test_in_one_go_or_one_by_one_the_guide_is_the_same(versions, measure, scaling, weighing):
    config = {"measure": measure, "scaling": scaling, "weighing": weighing}
    by_one = one_by_one(versions("by one", **config))[-1]
    at_once = versions("at once", **config).publish(1, range(N_SCOUTS))
    assert at_once.sha256 == by_one.sha256
    assert (at_once.parent, at_once.agreement) == ("", None)


def test_no_order_of_arrival_and_no_order_of_asking_changes_a_bit(versions, tmp_path: Path):
    expected = versions().publish(1, range(4)).sha256
    for number, arrived in enumerate(permutations(range(4))):
        ledger = ledger_on(Storage(tmp_path / f"deltas-{number}"))
        for scout_id in arrived:
            ledger.push(announce(ledger.storage, random_delta(scout_id, accuracy=0.9)))
        assert versions(f"run-{number}", ledger).publish(1, arrived).sha256 == expected


def test_scouts_that_come_late_are_folded_in_before_those_of_higher_number(versions):
    late = versions("late")
    late.publish(1, [0, 2])
    late.publish(2, [0, 2, 4])
    found = late.publish(3, [0, 1, 2, 4])
    assert found.sha256 == versions("at once").publish(1, [0, 1, 2, 4]).sha256


def test_fewer_scouts_than_before_are_a_version_too(versions):
    made = versions("fewer")
    one_by_one(made, 4)
    assert made.publish(5, [1, 3]).sha256 == versions("at once").publish(1, [1, 3]).sha256


def test_a_number_that_other_scouts_had_is_published_anew(versions):
    made = versions()
    old = made.publish(1, [1])
    new = made.publish(1, [0])
    assert new.sha256 != old.sha256
    assert read_version(made.layout, 1) == new
    assert sha256_of(made.layout.guide / "weights.safetensors") == new.sha256


def test_a_scout_that_went_on_counts_as_it_is_now(versions, ledger):
    made = versions("went on", ledger)
    made.publish(1, [0, 1])
    ledger.push(announce(ledger.storage, random_delta(0, seq=2, accuracy=0.9)))
    found = made.publish(2, [0, 1, 2])
    now = [random_delta(0, seq=2), random_delta(1), random_delta(2)]
    assert bits(Movement.load(made.layout.movement)) == bits(folded(now))
    assert found.sha256 == versions("at once").publish(1, [0, 1, 2]).sha256


def test_a_scout_without_a_delta_is_refused_and_nothing_published(versions):
    made = versions()
    with pytest.raises(CheckpointError, match="scout 7: has committed no delta"):
        made.publish(1, [0, 7])
    with pytest.raises(CheckpointError, match="no scout has sent a delta"):
        made.publish(1, [])
    assert published(made.layout) == {}
    assert made.publish(1, [0, 1]).sha256 == versions("other").publish(1, [0, 1]).sha256


def test_a_delta_that_was_damaged_since_is_refused(versions, ledger):
    name = next(iter(ledger.storage.names("deltas/scout-00001")))
    ledger.storage.put(name, ledger.storage.get(name)[:-1] + b"\x07")
    made = versions()
    made.publish(1, [0])
    with pytest.raises(CheckpointError, match="do not match their checksum"):
        made.publish(2, [0, 1])
    assert [v.number for v in read_versions(made.layout)] == [1]
    assert made.publish(2, [0, 2]).sha256 == versions("other").publish(1, [0, 2]).sha256


def test_scouts_join_an_earlier_run_s_movement(versions, tmp_path: Path):
    earlier = folded([random_delta(i, run="earlier", seed=1) for i in range(3)])
    earlier.save(tmp_path / "movement", {})
    before = {p.name: p.read_bytes() for p in (tmp_path / "movement").iterdir()}
    chain = one_by_one(versions(onto=tmp_path / "movement"))
    assert chain[0].members == (0,)
    whole = folded([random_delta(i, accuracy=0.9) for i in range(N_SCOUTS)], earlier)
    found = Movement.load(versions().layout.movement)
    assert bits(found) == bits(whole)
    assert [(m.run, m.scout_id) for m in found.members] == [(m.run, m.scout_id) for m in whole.members]
    values = scaled(whole.measured("squared"))
    guide = Guide.load(versions().layout.guide)
    assert all(torch.equal(guide.values[name], value) for name, value in values.items())
    assert {p.name: p.read_bytes() for p in (tmp_path / "movement").iterdir()} == before


@pytest.mark.parametrize(
    ("earlier", "message"),
    [
        (folded([random_delta(0, base="c" * 64)], Movement("c" * 64)), "is of base checkpoint cccccccccccc"),
        (folded([random_delta(0, run="earlier")], weighing="effect"), "by effect, not evenly"),
    ],
    ids=["other base", "other weighing"],
)
def test_a_movement_that_no_scout_of_this_run_fits_is_refused(versions, tmp_path: Path, earlier, message):
    earlier.save(tmp_path / "movement", {})
    with pytest.raises(CheckpointError, match=message):
        versions(onto=tmp_path / "movement")


def test_scouts_do_not_join_a_guide_that_they_are_in(versions):
    one_by_one(versions())
    again = versions("again", onto=versions().layout.movement)
    with pytest.raises(CheckpointError, match="scout 0: comes after scout 4"):
        again.publish(1, [0])


def ranks(*numbers: float) -> dict[str, torch.Tensor]:
    return {"a": torch.tensor(numbers[:2]), "b": torch.tensor([numbers[2:]])}


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(ranks(0, 0.1, 0.4, 1), ranks(0, 0.1, 0.4, 1), 1, id="itself"),
        pytest.param(ranks(0, 0.1, 0.4, 1), ranks(0, 0.01, 0.02, 0.03), 1, id="the same order"),
        pytest.param(ranks(0, 0.1, 0.4, 1), ranks(1, 0.4, 0.1, 0), -1, id="turned"),
        # Squared differences of ranks 0, 0, 1, 1: 1 - 6 * 2 / (4 * 15).
        pytest.param(ranks(0, 0.1, 0.4, 1), ranks(0, 0.1, 1, 0.4), 0.8, id="two change places"),
        pytest.param(ranks(0, 0.1, 0.4, 1), ranks(1, 1, 1, 1), 0, id="one ranks nothing"),
        pytest.param(ranks(0, 0, 0, 0), ranks(0, 0, 0, 0), 0, id="neither ranks anything"),
    ],
)
def test_guides_agree_as_far_as_they_rank_parameters_alike(one, other, expected):
    assert agreement(one, other) == pytest.approx(expected, abs=1e-6)
    assert agreement(one, dict(reversed(other.items()))) == pytest.approx(expected, abs=1e-6)


def test_a_large_guide_agrees_with_itself_and_not_with_noise():
    rng = np.random.default_rng(0)
    one, other = ({"a": torch.from_numpy(rng.random((3, RANKED)))} for _ in range(2))
    assert agreement(one, one) == 1
    assert abs(agreement(one, other)) < 0.01


@pytest.mark.parametrize(
    ("agreements", "least", "expected"),
    [
        ([None, 0.9, 0.9, 0.9], 0.9, True),
        ([None, 0.9, 0.9, 0.8], 0.9, False),
        ([None, 0.9, 0.8, 0.9, 0.9], 0.9, False),
        ([None, 0.1, 0.9, 0.9, 0.9], 0.9, True),
        ([None, 0.9, 0.9], 0.9, False),
        ([0.9, 0.9], 0.9, False),
        ([], 0.9, False),
        ([None, 1.0, 1.0, 1.0], 1.0, False),
    ],
    ids=["three", "the last not", "one between", "three after one", "a first", "two", "none", "never at 1"],
)
def test_a_guide_has_converged_once_three_versions_agree_with_their_parents(agreements, least, expected):
    assert converged(agreements, least) is expected
