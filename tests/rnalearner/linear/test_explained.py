from dataclasses import replace

import numpy as np
import pytest

from rnalearner.config import LinearConfig
from rnalearner.linear.explained import used_genes
from rnalearner.linear.guided import GuidedLinear, fit_guided

GENES = ("a", "b", "c", "d")
X_NG = np.array([[5.0, 4, 3, 2], [5, 6, 3, 2], [7, 4, 3, np.nan], [7, 2, 3, np.nan]])
Y_N = np.array([0, 0, 1, 1])


def model(weight_cg: list[list[float]], classes: int = 2) -> GuidedLinear:
    """A fitted one with weights of our own."""
    x_ng = np.random.default_rng(0).normal(8, 1, (2 * classes, 4))
    y_n = np.arange(2 * classes) % classes
    fitted = fit_guided(x_ng, y_n, genes=GENES, cohort_mg=x_ng, guide=None, config=LinearConfig())
    zeros = np.zeros(len(weight_cg))
    return replace(
        fitted,
        genes=GENES,
        weight_cg=np.array(weight_cg),
        bias_c=zeros,
        centre_g=np.zeros(4),
        guide_g=np.array([2.0, np.nan, 1, 0]),
    )


def test_genes_come_in_the_order_of_what_they_add_to_the_distance_between_the_groups():
    table = used_genes(model([[0.5, -3.0, 0.0, 4.0]]), X_NG, Y_N, ["GC", "FLT"], {"a": "Per1"})
    assert table["gene"].tolist() == ["b", "a", "d"]  # c has no weight; d no effect that is known
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["effect"].tolist()[:2] == [-2, 2]
    assert np.isnan(table["effect"][2])
    assert table["share"].tolist() == pytest.approx([6 / 7, 1 / 7, 0])
    assert table["symbol"].tolist() == ["", "Per1", ""]
    assert table["guide"].tolist() == pytest.approx([np.nan, 2, 0], nan_ok=True)
    assert set(table["class"]) == {"FLT"}


def test_each_of_several_classes_has_a_list_of_its_own():
    weights = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 2.0, 1.0]]
    x_ng = np.array([[2.0, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 2]])
    table = used_genes(model(weights, classes=3), x_ng, np.arange(3), ["x", "y", "z"])
    assert table.groupby("class")["gene"].agg(list).to_dict() == {"x": ["a"], "y": ["b"], "z": ["c", "d"]}
    assert table["effect"].tolist() == [2, 2, 2, 2]
    assert table["share"].tolist() == pytest.approx([1, 1, 2 / 3, 1 / 3])


def test_a_model_without_weights_has_an_empty_table_and_one_that_parts_nothing_no_shares():
    assert used_genes(model([[0.0] * 4]), X_NG, Y_N, ["GC", "FLT"]).empty
    table = used_genes(model([[-1.0, 0, 0, 0]]), X_NG, Y_N, ["GC", "FLT"])
    assert table["share"].isna().all()
