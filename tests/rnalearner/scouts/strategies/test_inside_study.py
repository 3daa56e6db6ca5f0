import numpy as np
import pytest

from rnalearner.errors import RecipeError
from tests.toy_samples import toy_samples

STUDIES = np.repeat(["A", "B", "C"], [8, 8, 3])
LABELS = np.array([*"kkkkwwww", *[""] * 8, *"xxy"])


@pytest.fixture
def values_ng():
    return np.random.default_rng(0).standard_normal((19, 30)).astype(np.float32)


def test_labels_scout_where_there_are_some_and_components_elsewhere(plan, values_ng):
    found, left_out = plan("inside_study", toy_samples(values_ng, STUDIES, labels=LABELS), 9)
    of_a, *of_b = found
    assert (of_a.name, of_a.learns_g) == ("A, k against the rest", None)
    assert {contrast.inside for contrast in of_b} == {"B"}
    assert all(contrast.learns_g is not None for contrast in of_b)
    assert left_out == ["study C did not scout: 3 samples, fewer than 6"]


@pytest.mark.parametrize("labels", [LABELS[:8], np.full(8, "")], ids=["labelled", "without labels"])
def test_one_kind_of_study_is_enough(plan, values_ng, labels):
    found, _ = plan("inside_study", toy_samples(values_ng[:8], STUDIES[:8], labels=labels), 3)
    assert {contrast.inside for contrast in found} == {"A"}


def test_a_corpus_of_small_studies_is_refused(plan, values_ng):
    with pytest.raises(RecipeError, match="has 50 samples"):
        plan("inside_study", toy_samples(values_ng, STUDIES, labels=LABELS), min_samples=50)
