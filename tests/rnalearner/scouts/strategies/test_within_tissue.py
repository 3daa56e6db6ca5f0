import numpy as np
import pytest

from rnalearner.errors import RecipeError
from tests.toy_samples import FIRST_ROW, toy_samples


@pytest.fixture
def three_groups():
    """Liver of two studies, and a study that says no tissue; each falls into three far groups."""
    rng = np.random.default_rng(3)
    studies_n = np.repeat(["A", "B", "C"], 12)
    group_n = np.tile(np.repeat([0, 1, 2], 4), 3)
    direction_kg = 6 * rng.standard_normal((3, 40))
    values_ng = direction_kg[group_n] + 0.3 * rng.standard_normal((36, 40))
    tissues = np.repeat(["liver", "liver", ""], 12)
    return toy_samples(values_ng.astype(np.float32), studies_n, tissues), studies_n, group_n


def test_sample_clusters_inside_a_tissue_are_found_whatever_the_study(plan, three_groups):
    samples, studies_n, group_n = three_groups
    found, _ = plan("within_tissue", samples, 6)
    assert {contrast.inside for contrast in found} == {"liver", "C"}
    for contrast in found:
        sides = [contrast.rows_a - FIRST_ROW, contrast.rows_b - FIRST_ROW]
        assert all(len(set(group_n[side])) == 1 for side in sides)
        if contrast.inside == "liver":
            assert all(set(studies_n[side]) == {"A", "B"} for side in sides)
        assert contrast.learns_g.sum() == 20


def test_inside_a_study_tissues_say_nothing(plan, three_groups):
    found, _ = plan("within_tissue", three_groups[0], 9, inside="study")
    assert sorted(contrast.inside for contrast in found) == ["A"] * 3 + ["B"] * 3 + ["C"] * 3


def test_samples_that_do_not_differ_have_no_clusters(plan):
    with pytest.raises(RecipeError, match="no tissue falls into sample clusters"):
        plan("within_tissue", toy_samples(np.zeros((12, 5)), ["A"] * 12))
