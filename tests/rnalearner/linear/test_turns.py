"""Who is held out when, and what is learned from meanwhile."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnalearner.config import LinearConfig
from rnalearner.linear.guided import fit_guided
from rnalearner.linear.scores import auroc
from rnalearner.linear.turns import MOST, lacking, turns

TWELVE = np.array([0, 1] * 6)


def numbers(y_n: np.ndarray, subjects: list[str] | None = None, seed: int = 0) -> list[list[int]]:
    """Samples of each class that each turn learns from."""
    found = turns(y_n, subjects or [""] * len(y_n), np.random.default_rng(seed))
    return [np.bincount(y_n[turn.others], minlength=int(y_n.max()) + 1).tolist() for turn in found]


def test_each_of_twelve_mice_has_its_own_turn_and_all_learn_from_five_and_five():
    found = turns(TWELVE, [""] * 12, np.random.default_rng(0))
    assert sorted(turn.held.tolist() for turn in found) == [[i] for i in range(12)]
    assert numbers(TWELVE) == [[5, 5]] * 12


def test_a_subject_is_held_out_whole():
    subjects = ["m1", "m1", "m2", "m2", "m3", "m3"]
    found = turns(np.array([0, 1] * 3), subjects, np.random.default_rng(0))
    assert sorted(turn.held.tolist() for turn in found) == [[0, 1], [2, 3], [4, 5]]
    assert numbers(np.array([0, 1] * 3), subjects) == [[2, 2]] * 3


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20)), min_size=6, max_size=60), st.integers(0, 9))
def test_every_sample_is_held_out_once_and_no_turn_learns_from_its_subject_or_other_numbers(drawn, seed):
    y_n = np.unique([y for y, _ in drawn], return_inverse=True)[1]
    subjects = [f"m{number}" if number else "" for _, number in drawn]
    found = turns(y_n, subjects, np.random.default_rng(seed))
    assert len(found) <= MOST
    assert sorted(np.concatenate([turn.held for turn in found])) == list(range(len(y_n)))
    for turn in found:
        held = {subjects[i] for i in turn.held} - {""}
        assert not held & {subjects[i] for i in turn.others}
        assert not set(turn.held) & set(turn.others)
    learned = [np.bincount(y_n[turn.others], minlength=3).tolist() for turn in found]
    assert all(counts == learned[0] for counts in learned)


def test_more_subjects_are_dealt_to_twelve_parts_of_like_classes():
    y_n = np.array([0] * 24 + [1] * 12)
    found = turns(y_n, [""] * 36, np.random.default_rng(3))
    assert [np.bincount(y_n[turn.held]).tolist() for turn in found] == [[2, 1]] * MOST
    other = turns(y_n, [""] * 36, np.random.default_rng(4))
    assert {tuple(turn.held) for turn in found} != {tuple(turn.held) for turn in other}


def test_where_a_group_would_be_gone_one_sentence_says_so():
    y_n = np.array([0, 0, 0, 1])
    why = lacking(y_n, turns(y_n, [""] * 4, np.random.default_rng(0)), ("GC", "FLT"))
    assert why.startswith("with one subject held out no sample of FLT is left to learn from")
    assert "\n" not in why
    two = np.array([0, 0, 1, 1])
    assert lacking(two, turns(two, [""] * 4, np.random.default_rng(0)), ("GC", "FLT")) == ""
    alone = turns(two, ["m"] * 4, np.random.default_rng(0))
    assert "no sample of GC" in lacking(two, alone, ("GC", "FLT"))


@pytest.mark.parametrize("sizes", [(6, 6), (8, 4)])
def test_labels_that_mean_nothing_are_not_told_from_the_sizes_of_the_groups(sizes: tuple[int, int]):
    """Left out plainly, centred samples of no signal had an AUROC of .83: over 40 draws it would show."""
    rng, found = np.random.default_rng(0), []
    ids, config = [str(gene) for gene in range(60)], LinearConfig(bags=3)
    for _ in range(40):
        x_ng = np.log2(rng.poisson(2 ** rng.normal(6, 0.5, (12, 60))) + 1.0)
        y_n = rng.permutation(np.repeat([0, 1], sizes))
        p_n = np.zeros(12)
        for held, others in turns(y_n, [""] * 12, rng):
            model = fit_guided(
                x_ng[others], y_n[others], genes=ids, cohort_mg=x_ng, guide=None, config=config
            )
            columns = [int(gene) for gene in model.genes]
            p_n[held] = model.probabilities(x_ng[held][:, columns], x_ng[:, columns])[:, 1]
        found.append(auroc(y_n, p_n))
    # The mean of 40 AUROCs of a spread of .2 lies within .1 of chance.
    assert abs(np.mean(found) - 0.5) < 0.1
