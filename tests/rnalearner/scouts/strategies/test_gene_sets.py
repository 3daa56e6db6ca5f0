import numpy as np
import pytest

from rnalearner.errors import RecipeError
from tests.toy_samples import FIRST_ROW, toy_genes, toy_samples

GENES = toy_genes(30)
SETS = {
    "Tf1": dict.fromkeys(GENES[:5], 1.0) | dict.fromkeys(GENES[5:8], -1.0),
    "Few": {GENES[20]: 1.0},
    "Absent": {f"ENSMUSG{9000 + g:011d}": 1.0 for g in range(9)},
}


@pytest.fixture
def active():
    """Tf1 is high in every second sample of study A: genes 0-4 rise, 5-7 fall; each on its own scale."""
    rng = np.random.default_rng(2)
    values_ng = 5 + 0.2 * rng.standard_normal((16, 30))
    high_n = np.arange(16) % 2
    values_ng[:, :5] += high_n[:, None]
    values_ng[:, 5:8] -= high_n[:, None]
    values_ng[:, 3] *= 100  # a loud gene must not speak for the set
    return values_ng.astype(np.float32), high_n


def test_a_set_s_activity_splits_a_study_and_its_genes_do_not_learn(plan, active):
    values_ng, high_n = active
    found, _ = plan("gene_sets", toy_samples(values_ng, ["A"] * 16, sets=SETS), sets="sets.csv")
    (contrast,) = found
    assert (contrast.name, contrast.inside) == ("A, Tf1", "A")
    assert set(high_n[contrast.rows_a - FIRST_ROW]) == {0}
    assert set(high_n[contrast.rows_b - FIRST_ROW]) == {1}
    assert contrast.learns_g.tolist() == [False] * 8 + [True] * 22


def test_sets_that_a_study_hardly_measures_take_no_part(plan, active):
    values_ng, _ = active
    values_ng[0, :4] = np.nan
    with pytest.raises(RecipeError, match="no study measures a gene set"):
        plan("gene_sets", toy_samples(values_ng, ["A"] * 16, sets=SETS), sets="sets.csv")
    samples = toy_samples(values_ng, ["A"] * 16, sets=SETS)
    found, _ = plan("gene_sets", samples, sets="sets.csv", min_set_genes=4)
    assert not found[0].learns_g[:8].any()
