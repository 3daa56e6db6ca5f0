"""What a gene counts: its movement in units of its noise."""

import numpy as np
import pytest

from rnalearner.finetune.gene_weights import gene_weights
from rnalearner.guide.gene_guide import GeneGuide

GUIDE = GeneGuide(
    ("A", "B", "C"), np.array([0.5, 1.0, 1.5]), np.array([1.0, 1.0, 3.0]), np.array([2, 2, 2]), {}
)


def test_a_gene_counts_by_its_guide_over_its_spread_and_an_unknown_one_nothing():
    weight_g = gene_weights(GUIDE, ("C", "X", "A", "B"), power=1.0).numpy()
    assert weight_g[1] == 0
    np.testing.assert_allclose(weight_g[[0, 2, 3]] / weight_g[3], [1.5 / 4 * 2, 0.5, 1.0], rtol=1e-6)
    assert (weight_g[[0, 2, 3]] ** 2).mean() == pytest.approx(1)


def test_a_power_of_0_leaves_the_spread_alone():
    weight_g = gene_weights(GUIDE, ("A", "B", "C"), power=0.0).numpy()
    np.testing.assert_allclose(weight_g / weight_g[0], [1, 1, 0.5], rtol=1e-6)


def test_a_guide_that_knows_none_of_the_genes_leaves_them_alike():
    assert gene_weights(GUIDE, ("X", "Y"), power=1.0).tolist() == [1, 1]
