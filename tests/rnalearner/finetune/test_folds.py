import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnalearner.errors import RecipeError
from rnalearner.finetune.folds import held_out_parts

ALONE = [""] * 100


def parts_of(y: list[int], subjects: list[str], k: int, seed: int = 0) -> list[np.ndarray]:
    return held_out_parts(np.array(y), subjects[: len(y)], k, np.random.default_rng(seed))


def classes(parts: list[np.ndarray], y: list[int]) -> list[list[int]]:
    """Samples of each class in each part."""
    return [np.bincount(np.array(y)[part], minlength=max(y) + 1).tolist() for part in parts]


@pytest.mark.parametrize("k", [2, 3, 6])
def test_six_and_six_make_equal_and_balanced_parts(k: int):
    y = [0, 1] * 6
    assert classes(parts_of(y, ALONE, k), y) == [[6 // k, 6 // k]] * k


@pytest.mark.parametrize("k", [4, 5])
def test_where_parts_cannot_be_equal_each_is_balanced_all_the_same(k: int):
    """A part of two and one would be centred between the classes' means at the wrong place."""
    y = [0] * 6 + [1] * 6
    assert all(negative == positive >= 1 for negative, positive in classes(parts_of(y, ALONE, k), y))


def test_unbalanced_samples_make_parts_of_their_own_proportions():
    y = [0] * 9 + [1] * 3
    assert classes(parts_of(y, ALONE, 3), y) == [[3, 1]] * 3


def test_three_classes_are_in_every_part():
    y = [0, 1, 2] * 4
    assert classes(parts_of(y, ALONE, 4), y) == [[1, 1, 1]] * 4


def test_a_class_of_fewer_subjects_than_parts_is_in_as_many_parts_as_it_can():
    y = [0] * 8 + [1] * 2
    assert sorted(positive for _, positive in classes(parts_of(y, ALONE, 3), y)) == [0, 1, 1]


def test_treated_and_control_samples_of_one_animal_stay_together():
    y, subjects = [0, 1] * 6, [f"m{i // 2}" for i in range(12)]
    for part in parts_of(y, subjects, 3):
        assert part.tolist() == sorted(part.tolist())
        assert all((i ^ 1) in part for i in part)


@st.composite
def samples(draw: st.DrawFn) -> tuple[list[int], list[str], int]:
    n = draw(st.integers(4, 24))
    y = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n).filter(lambda y: len(set(y)) == max(y) + 1))
    subjects = draw(st.lists(st.sampled_from(["", "", "a", "b", "c", "d"]), min_size=n, max_size=n))
    return y, subjects, draw(st.integers(2, 4))


@given(samples())
@settings(max_examples=30, deadline=None)
def test_every_sample_is_held_out_once_and_no_subject_is_cut(given_samples: tuple[list[int], list[str], int]):
    y, subjects, k = given_samples
    try:
        parts = parts_of(y, subjects, k)
    except RecipeError:
        return
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(y)))
    assert min(map(len, parts)) >= 2
    for part in parts:
        learned_from = np.setdiff1d(np.arange(len(y)), part)
        assert set(np.array(y)[learned_from]) == set(y)
        own = {subjects[i] for i in part} - {""}
        assert not own & {subjects[i] for i in learned_from}


def test_the_generator_decides_the_parts():
    y = [0, 1] * 6
    one, same, other = (parts_of(y, ALONE, 3, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("y", "subjects", "k", "what"),
    [
        ([0, 1, 0, 1, 0], ALONE, 3, "5 training samples of 5 subjects do not make 3 parts of two or more"),
        ([0, 1] * 6, ["a"] * 6 + ["b"] * 6, 3, "12 training samples of 2 subjects do not make 3 parts"),
        ([0] * 6 + [1] * 6, [""] * 6 + ["a"] * 6, 2, "without one of 2 parts, the training samples would"),
    ],
)
def test_too_few_samples_or_subjects_are_refused(y: list[int], subjects: list[str], k: int, what: str):
    with pytest.raises(RecipeError, match=what) as refused:
        parts_of(y, subjects, k)
    assert "tune.objective" in refused.value.remedy
