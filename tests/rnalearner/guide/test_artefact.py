"""A guide's tables, on movements small enough to be counted by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnalearner.config import ScoutingConfig
from rnalearner.guide.artefact import by_gene, by_layer, by_tensor, compared, layer_of, write_artefact
from rnalearner.guide.movement import Movement
from rnalearner.guide.versions import GuideVersions
from rnalearner.layout import RunLayout
from rnalearner.scouts.delta import WeightDelta
from rnalearner.storage import Storage
from tests.toy_deltas import announce, folded, ledger_on, random_delta, toy_delta

QUERY, KEY, FIRST, NORM = (
    "performer.net.layers.1.0.fn.to_q.weight",
    "performer.net.layers.1.0.fn.to_k.bias",
    "performer.net.layers.1.1.fn.fn.w1.weight",
    "norm.weight",
)


def scout(scout_id: int, query: object, key: object, first: object, norm: object, **about) -> WeightDelta:
    delta = toy_delta(scout_id, **about)
    moved = {QUERY: query, KEY: key, FIRST: first, NORM: norm}
    delta.deltas.clear()
    delta.deltas.update({name: np.array(value, np.float32) for name, value in moved.items()})
    return delta


@pytest.fixture
def movement() -> Movement:
    """Two scouts: alike in the keys, against each other in half of the queries; the norm stayed."""
    return folded(
        [
            scout(0, [[1, 2]], [3, 3, 3], [[2], [0]], [0, 0], head_g=(3, 0, 4)),
            scout(1, [[1, -2]], [3, 3, 3], [[0], [2]], [0, 0], head_g=(3, 0, 0)),
        ]
    )


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("performer.net.layers.0.0.fn.to_q.weight", "block 1, attention"),
        ("performer.net.layers.0.0.norm.bias", "block 1, attention"),
        ("performer.net.layers.11.1.fn.fn.w2.bias", "block 12, feed-forward"),
        ("norm.weight", "final norm"),
        ("norm.bias", "final norm"),
        ("bin_embedding.weight", "bin embedding"),
        ("value_embedding.knots_kd", "value embedding"),
        ("extra_d", "extra d"),
    ],
)
def test_a_layer_has_a_name_in_words(name, layer):
    assert layer_of(name) == layer


def test_a_row_a_tensor_says_what_moved_how_far_and_how_alike(movement):
    """Squares over both scouts: queries 2 + 8, keys 6 x 9 = 54, first 8; in all 72."""
    found = by_tensor(movement)
    expected = pd.DataFrame(
        {
            "layer": ["block 2, attention", "block 2, attention", "block 2, feed-forward", "final norm"],
            "tensor": [QUERY, KEY, FIRST, NORM],
            "parameters": [2, 3, 2, 2],
            "moved": np.sqrt([10 / 4, 9, 8 / 4, 0]),
            "share": [10 / 72, 54 / 72, 8 / 72, 0],
            # Squared sums over sums of squares times two: 4 / 20, 108 / 108, 8 / 16.
            "agreement": [0.2, 1, 0.5, 0],
        }
    )
    pd.testing.assert_frame_equal(found, expected)


def test_a_row_a_layer_joins_its_tensors_parameter_by_parameter(movement):
    expected = pd.DataFrame(
        {
            "layer": ["block 2, attention", "block 2, feed-forward", "final norm"],
            "parameters": [5, 2, 2],
            "moved": np.sqrt([64 / 10, 8 / 4, 0]),
            "share": [64 / 72, 8 / 72, 0],
            "agreement": [(4 + 108) / 128, 0.5, 0],
        }
    )
    pd.testing.assert_frame_equal(by_layer(movement), expected)


def test_scouts_that_count_for_less_are_heard_less():
    """Weights 1 and 1/2 (accuracies 1 and 3/4): (1 x 4 + 1/2 x 16) / 1.5 = 8 a parameter, of one each."""
    deltas = [toy_delta(0, (2, 0), accuracy=1.0), toy_delta(1, (0, 4), accuracy=0.75)]
    row = by_tensor(folded(deltas, weighing="convergence")).iloc[0]
    assert row["moved"] == pytest.approx(np.sqrt((4 + 8) / 2 / 1.5))
    assert row["agreement"] == pytest.approx((4 + 4) / (12 * 1.5))


def test_a_guide_of_scouts_that_stayed_shares_out_nothing():
    still = folded([toy_delta(0, (0, 0)), toy_delta(1, (0, 0))])
    for table in (by_tensor(still), by_layer(still)):
        assert table[["moved", "share", "agreement"]].to_numpy().tolist() == [[0, 0, 0]]


def test_a_row_a_gene_begins_with_the_one_that_heads_moved_furthest_on(movement):
    """Root mean squares over both scouts: 3, 0 and the root of 8, which is the median."""
    expected = pd.DataFrame(
        {
            "gene": ["Actb", "Hbb", "Gapdh"],
            "moved": [3, np.sqrt(8), 0],
            "times_median": [3 / np.sqrt(8), 1, 0],
        }
    )
    pd.testing.assert_frame_equal(by_gene(movement, ["Actb", "Gapdh", "Hbb"]), expected)


def test_genes_that_moved_alike_stay_in_their_order_and_a_median_of_0_divides_nothing():
    found = by_gene(folded([toy_delta(0, head_g=(0, 0, 5, 0))]), ["a", "b", "c", "d"])
    assert found["gene"].tolist() == ["c", "a", "b", "d"]
    assert found["times_median"].isna().all()


def test_genes_of_another_number_are_refused(movement):
    with pytest.raises(ValueError):
        by_gene(movement, ["Actb", "Gapdh"])


def test_a_guide_compared_with_itself_agrees_wholly(movement):
    found = compared(movement, movement)
    assert found == {
        "scouts": [2, 2],
        "shared_scouts": 2,
        "same_base_checkpoint": True,
        "agreement": 1.0,
        "agreement_of_genes": 1.0,
        # Mean squares of the two scouts over nine parameters: (1 + 4 + 27 + 4) / 9 = 4 for both.
        "moved": [2.0, 2.0],
    }


def test_guides_of_other_scouts_are_compared_by_rank():
    one = folded([toy_delta(i, (1, 2, 3, 4), head_g=(1, 2, 3)) for i in range(3)])
    other = folded([toy_delta(i, (1, 3, 2, 40), head_g=(3, 2, 1)) for i in range(2, 7)])
    found = compared(one, other)
    assert (found["scouts"], found["shared_scouts"]) == ([3, 5], 1)
    assert found["agreement"] == pytest.approx(0.8)  # two neighbours of four changed places
    assert found["agreement_of_genes"] == pytest.approx(-1)
    elsewhere = folded([toy_delta(i, (1, 2, 3, 4), run="another") for i in range(3)])
    assert compared(one, elsewhere)["shared_scouts"] == 0


@pytest.mark.parametrize(
    ("other", "agreement", "of_genes"),
    [
        (folded([toy_delta(0, (1, 2, 3))]), None, 1.0),
        (folded([toy_delta(0, (1, 2), v=np.ones(1, np.float32))]), None, 1.0),
        (folded([toy_delta(0, (1, 2), head_g=(1, 2))]), 1.0, None),
        (folded([toy_delta(0, (1, 2), base="c" * 64)], Movement("c" * 64)), 1.0, 1.0),
        (folded([toy_delta(0, (1, 2), head_g=(1, 1, 1))]), 1.0, 0.0),
    ],
    ids=["other shapes", "other tensors", "other genes", "other base", "genes that moved alike"],
)
def test_what_cannot_be_compared_is_left_empty(other, agreement, of_genes):
    found = compared(folded([toy_delta(0, (1, 2))]), other)
    assert found["agreement"] == agreement
    assert found["agreement_of_genes"] == (None if of_genes is None else pytest.approx(of_genes))
    assert found["same_base_checkpoint"] == (other.base_checkpoint == toy_delta(0).base_checkpoint)


def test_the_tables_of_a_run_lie_beside_its_guide(tmp_path: Path):
    ledger = ledger_on(Storage(tmp_path / "deltas"))
    for scout_id in range(4):
        ledger.push(announce(ledger.storage, random_delta(scout_id, accuracy=0.9)))
    layout = RunLayout(tmp_path / "run")
    versions = GuideVersions(layout, ledger, ScoutingConfig(), {})
    chain = [versions.publish(number, range(number)) for number in range(1, 5)]
    write_artefact(layout, ["Actb", "Gapdh", "Hbb"])

    movement = Movement.load(layout.movement)
    tables = {
        t: pd.read_csv(layout.guide_table(t)) for t in ("versions", "tensors", "layers", "genes", "members")
    }
    assert tables["versions"]["sha256"].tolist() == [version.sha256 for version in chain]
    assert tables["versions"]["scouts"].tolist() == [1, 2, 3, 4]
    agreements = np.array([version.agreement for version in chain], float)
    np.testing.assert_array_equal(tables["versions"]["agreement"], agreements)
    for name, made in {
        "tensors": by_tensor(movement),
        "layers": by_layer(movement),
        "genes": by_gene(movement, ["Actb", "Gapdh", "Hbb"]),
        "members": pd.DataFrame([vars(member) for member in movement.members]),
    }.items():
        pd.testing.assert_frame_equal(tables[name], made)
