import numpy as np
import pytest

from rnalearner.errors import RecipeError
from rnalearner.scouts.gene_level import squared_moderated_t
from tests.toy_samples import FIRST_ROW, toy_samples


@pytest.fixture
def two_groups():
    """Three studies of 10, 12 and 3 samples; half of the samples have every gene higher by 3."""
    rng = np.random.default_rng(5)
    studies_n = np.repeat(["A", "B", "C"], [10, 12, 3])
    high_n = np.concatenate([np.arange(n) % 2 for n in (10, 12, 3)])
    study_level = np.repeat([0.0, 50.0, -20.0], [10, 12, 3])
    values_ng = study_level[:, None] + 3 * high_n[:, None] + 0.3 * rng.standard_normal((25, 40))
    return values_ng.astype(np.float32), studies_n, high_n


def test_the_first_component_finds_a_study_s_two_groups(plan, two_groups):
    values_ng, studies_n, high_n = two_groups
    found, left_out = plan("within_study", toy_samples(values_ng, studies_n), 2)
    assert sorted(contrast.name for contrast in found) == ["A, component 1", "B, component 1"]
    for contrast in found:
        sides = [set(high_n[rows - FIRST_ROW]) for rows in (contrast.rows_a, contrast.rows_b)]
        assert sorted(map(sorted, sides)) == [[0], [1]]
        places = np.concatenate([contrast.rows_a, contrast.rows_b]) - FIRST_ROW
        assert set(studies_n[places]) == {contrast.inside}
    assert left_out == ["study C did not scout: 3 samples, fewer than 6"]


def test_studies_share_the_contrasts_and_each_goes_through_three_components(plan, two_groups):
    values_ng, studies_n, _ = two_groups
    assert len(plan("within_study", toy_samples(values_ng, studies_n), 1)[0]) == 2
    found, _ = plan("within_study", toy_samples(values_ng, studies_n), 9)
    assert [contrast.name.split(" ")[-1] for contrast in found] == list("123121231"[:5]) + list("1231")
    assert len({contrast.inside for contrast in found[:5]}) == 1
    for contrast in found:
        assert abs(len(contrast.rows_a) - len(contrast.rows_b)) <= 1
        assert not set(contrast.rows_a) & set(contrast.rows_b)


def test_each_gene_learns_as_often_as_it_chooses(plan, two_groups):
    values_ng, studies_n, _ = two_groups
    found, _ = plan("within_study", toy_samples(values_ng, studies_n), 2 * 3 * 4)
    for study in "AB":
        learns = np.stack([contrast.learns_g for contrast in found if contrast.inside == study])
        assert learns.sum(0).tolist() == [6] * 40
        assert (learns.sum(1) == 20).all()


def test_noise_teaches_nothing_that_was_not_told(plan):
    """Genes that chose the groups look as if they differed; those that may learn do not."""
    noise_ng = np.random.default_rng(0).standard_normal((16, 200)).astype(np.float32)
    found, _ = plan("within_study", toy_samples(noise_ng, ["A"] * 16), 24)
    told, learnt = [], []
    for contrast in found:
        rows = np.concatenate([contrast.rows_a, contrast.rows_b]) - FIRST_ROW
        t2_g = squared_moderated_t(noise_ng[rows], np.arange(16) >= 8)
        told.append(t2_g[~contrast.learns_g].mean())
        learnt.append(t2_g[contrast.learns_g].mean())
    assert np.mean(learnt) == pytest.approx(1.05, rel=0.1)  # what t^2 is by chance, at d0 + d = 18
    assert np.mean(told) > 1.25 * np.mean(learnt)


def test_unmeasured_genes_and_constant_genes_do_not_choose(plan, two_groups):
    values_ng, studies_n, high_n = two_groups
    values_ng[0, :20] = np.nan
    values_ng[:, 20:25] = 7
    for contrast in plan("within_study", toy_samples(values_ng, studies_n), 2)[0]:
        assert len(set(high_n[contrast.rows_a - FIRST_ROW])) == 1
        assert contrast.learns_g[20:25].all()


def test_a_study_without_varying_genes_is_named(plan, two_groups):
    values_ng, studies_n, _ = two_groups
    values_ng[studies_n == "A"] = 4
    found, left_out = plan("within_study", toy_samples(values_ng, studies_n), 2)
    assert {contrast.inside for contrast in found} == {"B"}
    assert "study A did not scout: no two genes vary in it" in left_out


def test_a_large_study_is_cut(plan, two_groups):
    values_ng, studies_n, _ = two_groups
    found, _ = plan("within_study", toy_samples(values_ng, studies_n), 2, max_samples=8)
    assert {len(contrast.rows_a) + len(contrast.rows_b) for contrast in found} == {8}


def test_no_study_of_the_size_is_refused(plan, two_groups):
    values_ng, studies_n, _ = two_groups
    with pytest.raises(RecipeError, match="none of 3 studies has 50 samples"):
        plan("within_study", toy_samples(values_ng, studies_n), min_samples=50)
