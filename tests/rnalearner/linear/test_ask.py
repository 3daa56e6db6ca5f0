import numpy as np
import pytest

from rnalearner.config import LinearConfig
from rnalearner.linear.ask import ask, measured_weight
from rnalearner.linear.guided import GuidedLinear, fit_guided
from rnalearner.preprocessing.normalize import log2p1_cpm
from tests.toy_mice import GENES, IDS, PLANTED, mice, mouse_guide

LABELS = ["FLT", "GC"] * 3


def expression(labels: list[str], seed: int) -> np.ndarray:
    return log2p1_cpm(mice(labels, seed, lean=seed), np.full(len(labels), 1e6))


@pytest.fixture(scope="module")
def model() -> GuidedLinear:
    x_ng = expression(LABELS, 1)
    y_n = (np.array(LABELS) == "FLT").astype(int)
    return fit_guided(x_ng, y_n, genes=IDS, cohort_mg=x_ng, guide=mouse_guide(), config=LinearConfig())


def test_a_cohort_is_centred_by_its_own_mean_where_it_is_large_enough(model: GuidedLinear):
    x_ng = expression(["FLT", "GC"] * 2, 2)
    called = ask(model, x_ng, GENES, x_ng).argmax(1)
    assert called.tolist() == [1, 0, 1, 0]
    columns = [IDS.index(gene) for gene in model.genes]
    by_training = model.probabilities(x_ng[:, columns])
    three = ask(model, x_ng[:3], GENES, x_ng[:3])
    np.testing.assert_array_equal(three, by_training[:3])


def test_the_cohort_may_be_larger_than_what_is_asked(model: GuidedLinear):
    cohort_mg = expression(["FLT", "GC"] * 4, 3)
    alone = ask(model, cohort_mg[:1], GENES, cohort_mg)
    np.testing.assert_allclose(alone, ask(model, cohort_mg, GENES, cohort_mg)[:1])
    assert ask(model, cohort_mg[:0], GENES, cohort_mg).shape == (0, 2)


def test_measured_weight_tells_a_table_that_lacks_the_genes_that_matter(model: GuidedLinear):
    x_ng = expression(LABELS, 4)
    assert measured_weight(model, x_ng, GENES).tolist() == pytest.approx([1.0] * 6)
    lacking = x_ng.copy()
    lacking[2, [IDS.index(gene) for gene in PLANTED]] = np.nan
    share_n = measured_weight(model, lacking, GENES)
    assert share_n[2] < 0.5
    assert np.delete(share_n, 2) == pytest.approx(1)
