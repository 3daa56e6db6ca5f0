import numpy as np
import pytest

from rnalearner.errors import RecipeError
from tests.toy_samples import FIRST_ROW, toy_samples

STUDIES = np.repeat(["A", "B", "C"], [9, 6, 6])
LABELS = np.array([*"xxxyyyz", "", "", *"kkkwww", *"uuuuuu"])


def test_each_label_against_the_others_of_its_study(plan):
    found, left_out = plan("labelled", toy_samples(np.zeros((21, 2)), STUDIES, labels=LABELS), 30)
    names = ["A, x against the rest", "A, y against the rest", "B, k against the rest"]
    assert sorted(contrast.name for contrast in found) == names  # of two labels there is one contrast
    of_x = next(contrast for contrast in found if contrast.name == names[0])
    assert (of_x.rows_a - FIRST_ROW).tolist() == [0, 1, 2]
    assert (of_x.rows_b - FIRST_ROW).tolist() == [3, 4, 5, 6]  # without those that have no label
    assert of_x.learns_g is None
    assert left_out == ["study C did not scout: no two labels of 2 samples each"]


def test_a_study_has_its_share_of_the_contrasts(plan):
    labels = np.array([f"l{i // 2}" for i in range(12)])
    samples = toy_samples(np.zeros((12, 2)), ["A"] * 12, labels=labels)
    found, _ = plan("labelled", samples, 4)
    assert len({contrast.name for contrast in found}) == 4


def test_a_corpus_without_labels_is_refused(plan):
    with pytest.raises(RecipeError, match="no study has two labels in column group"):
        plan("labelled", toy_samples(np.zeros((21, 2)), STUDIES), label_column="group")
