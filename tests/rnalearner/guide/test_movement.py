"""Sums over scouts: what they hold, who may join, and that no order or history changes a bit."""

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from rnalearner.checkpoint import save_checkpoint
from rnalearner.errors import CheckpointError
from rnalearner.guide.movement import Member, Movement, weight_of
from rnalearner.scouts.delta import rms
from rnalearner.storage import sha256
from tests.toy_deltas import BASE, RUN, bits, folded, random_delta, toy_delta

THREE = [toy_delta(0, (1, 0)), toy_delta(1, (-3, 0)), toy_delta(5, (2, 0))]


@pytest.mark.parametrize(
    ("measure", "expected"),
    [("squared", [(1 + 9 + 4) / 3, 0]), ("absolute", [2, 0]), ("signal_to_noise", [0, 0])],
)
def test_the_mean_is_over_scouts(measure, expected):
    found = folded(THREE).measured(measure)
    np.testing.assert_allclose(found["w"], expected, rtol=1e-15)
    assert found["w"].dtype == np.float64


def test_the_sums_equal_those_of_all_scouts_at_once():
    deltas = [random_delta(i) for i in range(13)]
    movement = folded(deltas)
    for name in ("w", "v"):
        stacked = np.stack([d.deltas[name].astype(float) for d in deltas])
        np.testing.assert_allclose(movement.measured("squared")[name], (stacked**2).mean(0), rtol=1e-12)
        np.testing.assert_allclose(movement.measured("absolute")[name], abs(stacked).mean(0), rtol=1e-12)
    heads = np.stack([d.head_g.astype(float) for d in deltas])
    np.testing.assert_allclose(movement.moved_by_gene(), np.sqrt((heads**2).mean(0)), rtol=1e-12)


def test_scouts_agree_1_where_all_move_alike_and_one_in_s_where_each_goes_its_own_way():
    moved = [toy_delta(i, (2, second, 0)) for i, second in enumerate((1, -1, 1, 1))]
    movement = folded(moved)
    np.testing.assert_allclose(movement.agreement()["w"], [1, 1 / 4, 0], rtol=1e-15)
    np.testing.assert_array_equal(movement.measured("signal_to_noise")["w"], movement.agreement()["w"])
    apart = [toy_delta(i, np.sqrt(8) * np.eye(8)[i]) for i in range(8)]
    np.testing.assert_allclose(folded(apart).agreement()["w"], np.full(8, 1 / 8), rtol=1e-6)


def test_scouts_that_did_not_move_agree_on_nothing_and_break_nothing():
    still = folded([toy_delta(0, (0, 0)), toy_delta(1, (0, 0))])
    np.testing.assert_array_equal(still.agreement()["w"], [0, 0])
    np.testing.assert_array_equal(still.measured("squared")["w"], [0, 0])


@pytest.mark.parametrize(
    ("weighing", "weights"),
    [("evenly", [1, 1, 1]), ("convergence", [1, 0.5, 0]), ("effect", [1 / 2, 1 / 8, 0])],
)
def test_what_a_scout_counts_for_is_a_choice(weighing, weights):
    """Mean squared movements 2, 8 and 0; accuracies 1, 3/4 and chance."""
    deltas = [
        toy_delta(0, (2, 0), accuracy=1.0),
        toy_delta(1, (0, 4), accuracy=0.75),
        toy_delta(2, (0, 0), accuracy=0.5),
    ]
    assert [weight_of(d, weighing) for d in deltas] == pytest.approx(weights, rel=1e-7)
    movement = folded(deltas, weighing=weighing)
    assert [member.weight for member in movement.members] == pytest.approx(weights, rel=1e-7)
    squares = np.array([[4, 0], [0, 16], [0, 0]])
    expected = np.average(squares, axis=0, weights=weights)
    np.testing.assert_allclose(movement.measured("squared")["w"], expected, rtol=1e-7)
    np.testing.assert_allclose(movement.moved_by_gene(), [1, 0, 2], rtol=1e-12)


@pytest.mark.parametrize(("accuracy", "weight"), [(None, 0), (0.2, 0), (0.5, 0), (0.6, 0.2), (1.0, 1.0)])
def test_by_convergence_a_scout_at_chance_or_underway_counts_for_nothing(accuracy, weight):
    assert weight_of(toy_delta(0, accuracy=accuracy), "convergence") == pytest.approx(weight)


def test_by_effect_every_scout_moves_the_sum_of_squares_alike():
    deltas = [toy_delta(i, scale * np.array([3, 1])) for i, scale in enumerate((0.001, 1, 40))]
    movement = folded(deltas, weighing="effect")
    np.testing.assert_allclose(movement.sums["squared"]["w"], 3 * np.array([9, 1]) / 5, rtol=1e-6)


def test_members_say_whose_deltas_a_guide_is_of():
    delta = toy_delta(4, (3, 4), seq=7, accuracy=0.9)
    assert folded([delta]).members == [
        Member(RUN, 4, 7, sha256(delta.to_bytes()), "contrast 4", 0.9, True, rms(delta.deltas), 1.0)
    ]
    underway = folded([toy_delta(4)]).members[0]
    assert (underway.name, underway.accuracy, underway.converged) == ("", 0.5, False)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (toy_delta(1, (1, 2), base="other"), f"began at base checkpoint other, the guide at {BASE[:12]}"),
        (toy_delta(1, (1, 2, 3)), r"scout 1: w is \(3,\), elsewhere \(2,\)"),
        (toy_delta(1, v=np.ones(1, np.float32)), r"scout 1: moves other tensors \(v\)"),
        (toy_delta(1, head_g=(1, 2)), r"scout 1: head_g is \(2,\), elsewhere \(3,\)"),
        (toy_delta(0, (1, 2)), "scout 0: comes after scout 0"),
        (toy_delta(0, (1, 2), seq=9), "scout 0: comes after scout 0"),
    ],
    ids=["other base", "other shape", "more tensors", "other genes", "twice", "twice, later"],
)
def test_a_delta_that_does_not_fit_is_refused_with_its_reason_and_changes_nothing(bad, message):
    movement = folded([toy_delta(0, (1, 2))])
    before = bits(movement)
    with pytest.raises(CheckpointError, match=message):
        movement.add(bad, "")
    assert bits(movement) == before
    assert len(movement.members) == 1


def test_the_first_delta_must_be_of_the_guide_s_base_too():
    with pytest.raises(CheckpointError, match="began at base checkpoint other"):
        folded([toy_delta(0, base="other")])


def test_scouts_join_in_one_order_alone_so_that_their_sum_has_one_value():
    deltas = [random_delta(i) for i in range(4)]
    expected = bits(folded(deltas))
    for arrived in permutations(deltas):
        assert bits(folded(sorted(arrived, key=lambda d: d.scout_id))) == expected
        if list(arrived) != deltas:
            with pytest.raises(CheckpointError, match="comes after scout"):
                folded(list(arrived))


def test_a_scout_joins_once_whatever_runs_joined_between():
    movement = folded([random_delta(0), random_delta(1), random_delta(0, run="another")])
    with pytest.raises(CheckpointError, match="scout 1: comes after scout 1"):
        movement.add(random_delta(1), "")
    movement.add(random_delta(2), "")
    assert [(m.run, m.scout_id) for m in movement.members] == [(RUN, 0), (RUN, 1), ("another", 0), (RUN, 2)]


@pytest.mark.parametrize("movement", [Movement(BASE), folded([toy_delta(0)], weighing="convergence")])
def test_a_guide_of_nobody_or_of_nobody_that_counts_is_refused(movement):
    with pytest.raises(CheckpointError, match=r"no scout (has sent a delta|weighs anything)"):
        movement.measured()


@pytest.mark.parametrize("weighing", ["evenly", "convergence", "effect"])
def test_merged_guides_equal_one_fold_over_the_scouts_of_both(weighing):
    deltas = [random_delta(i, accuracy=0.6 + i / 20) for i in range(7)]
    whole = folded(deltas, weighing=weighing)
    parts = folded(deltas[:3], weighing=weighing), folded(deltas[3:], weighing=weighing)
    merged = parts[0].merged(parts[1])
    assert merged.members == whole.members
    for kind, tensors in whole.sums.items():
        for name, value in tensors.items():
            # Signed sums may cancel: what rounding leaves is small beside the largest of them.
            np.testing.assert_allclose(merged.sums[kind][name], value, rtol=1e-12, atol=1e-14 * whole.weight)
    np.testing.assert_allclose(merged.head_g, whole.head_g, rtol=1e-12)
    assert merged.measured("squared").keys() == {"w", "v"}


def test_guides_that_were_merged_are_as_they_were():
    one, other = folded([random_delta(0)]), folded([random_delta(1)])
    before = bits(one), bits(other)
    merged = one.merged(other)
    merged.add(random_delta(2), "")
    assert (bits(one), bits(other)) == before
    assert (len(one.members), len(other.members), len(merged.members)) == (1, 1, 3)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (folded([toy_delta(1), toy_delta(2)]), f"both have scout 1 of run {RUN[:12]}"),
        (folded([toy_delta(3, base="c" * 64)], Movement("c" * 64)), "differ in their base checkpoint"),
        (folded([toy_delta(3)], weighing="effect"), "how scouts are weighed"),
        (folded([toy_delta(3, v=np.ones(1, np.float32))]), r"moves other tensors \(v\)"),
        (folded([toy_delta(3, (1, 2, 3))]), r"w is \(3,\), elsewhere \(2,\)"),
        (folded([toy_delta(3, head_g=(1,))]), r"head_g is \(1,\), elsewhere \(3,\)"),
        (Movement(BASE), "moves other tensors"),
    ],
    ids=["a scout in both", "other base", "other weighing", "more tensors", "other shape", "genes", "nobody"],
)
def test_guides_that_do_not_fit_are_not_merged(other, message):
    with pytest.raises(CheckpointError, match=message):
        folded([toy_delta(0), toy_delta(1)]).merged(other)


def test_the_same_number_in_another_run_is_another_scout():
    merged = folded([toy_delta(0, (1, 0))]).merged(folded([toy_delta(0, (3, 0), run="another")]))
    np.testing.assert_array_equal(merged.measured("absolute")["w"], [2, 0])


@pytest.mark.parametrize("weighing", ["evenly", "convergence", "effect"])
def test_joining_a_stored_guide_gives_the_bits_of_one_fold_over_all(tmp_path: Path, weighing):
    deltas = [random_delta(i, accuracy=0.6 + i / 30) for i in range(9)]
    whole = folded(deltas, weighing=weighing)
    digest = whole.save(tmp_path / "whole", {})
    for n_before in range(1, len(deltas)):
        folded(deltas[:n_before], weighing=weighing).save(tmp_path / "before", {})
        joined = folded(deltas[n_before:], Movement.load(tmp_path / "before"))
        assert bits(joined) == bits(whole)
        assert joined.members == whole.members
        assert joined.save(tmp_path / "joined", {}) == digest


def test_a_guide_comes_back_as_it_was_stored(tmp_path: Path):
    movement = folded([random_delta(i, accuracy=0.7) for i in range(3)], weighing="convergence")
    movement.save(tmp_path / "movement", {"scale": "log2p1_cpm"})
    found = Movement.load(tmp_path / "movement")
    assert bits(found) == bits(movement)
    assert (found.base_checkpoint, found.weighing) == (BASE, "convergence")
    assert found.members == movement.members
    meta = json.loads((tmp_path / "movement" / "checkpoint.json").read_text())["meta"]
    assert meta["scale"] == "log2p1_cpm"


def test_what_is_no_movement_is_refused(tmp_path: Path):
    movement = folded([random_delta(0)])
    movement.save(tmp_path / "movement", {})
    weights = tmp_path / "movement" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="checksum"):
        Movement.load(tmp_path / "movement")
    for meta in ({}, {"members": [{"run": "r"}]}, {"members": 3}):
        save_checkpoint(tmp_path / "other", {}, meta)
        with pytest.raises(CheckpointError, match="holds no scouts' movement"):
            Movement.load(tmp_path / "other")


def test_a_copy_goes_its_own_way():
    movement = folded([random_delta(0)])
    before, copy = bits(movement), movement.copy()
    copy.add(random_delta(1), "")
    assert bits(movement) == before
    assert len(movement.members) == 1
    assert bits(copy) == bits(folded([random_delta(0), random_delta(1)]))


def test_memory_does_not_grow_with_the_number_of_scouts():
    def held(movement: Movement) -> int:
        arrays = [value for tensors in movement.sums.values() for value in tensors.values()]
        assert movement.head_g is not None
        assert all(value.base is None for value in (*arrays, movement.head_g))  # no view of something larger
        return sum(value.nbytes for value in (*arrays, movement.head_g))

    movement = folded([random_delta(i) for i in range(4)])
    after_4 = held(movement)
    folded([random_delta(i) for i in range(4, 64)], movement)
    assert len(movement.members) == 64
    assert held(movement) == after_4 == 8 * (3 * (2 + 6) + 3)
