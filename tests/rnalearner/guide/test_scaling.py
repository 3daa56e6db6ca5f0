import numpy as np
import pytest
import torch
from torch import nn

from rnalearner.errors import CheckpointError
from rnalearner.guide.scaling import Guide, scaled

MOVEMENT = {"a": np.array([[1.0, 3.0], [2.0, 5.0]]), "b": np.array([0.0, 10.0])}


def test_per_tensor_each_tensor_spans_0_to_1():
    found = scaled(MOVEMENT, "per_tensor")
    torch.testing.assert_close(found["a"], torch.tensor([[0, 0.5], [0.25, 1]]))
    torch.testing.assert_close(found["b"], torch.tensor([0.0, 1.0]))


def test_model_wide_keeps_the_importance_between_tensors():
    found = scaled(MOVEMENT, "model_wide")
    torch.testing.assert_close(found["a"], torch.tensor([[0.1, 0.3], [0.2, 0.5]]))
    torch.testing.assert_close(found["b"], torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize(("level", "expected"), [(0.0, 0.0), (1e-12, 1.0)])
@pytest.mark.parametrize("scaling", ["per_tensor", "model_wide"])
def test_equal_movement_everywhere_is_1_and_none_at_all_0(scaling, level, expected):
    found = scaled({"a": np.full(3, level), "b": np.full((2, 2), level)}, scaling)
    assert all((value == expected).all() for value in found.values())
    assert found["b"].shape == (2, 2)


def test_movements_as_small_as_adam_s_keep_their_ranks():
    movement = np.linspace(1e-13, 1e-10, 100)
    found = scaled({"a": movement})["a"]
    assert found.dtype == torch.float32
    assert (found.diff() > 0).all()
    assert (found[0], found[-1]) == (0, 1)


def guide(**meta: object) -> Guide:
    return Guide({"weight": torch.tensor([[0.0, 0.4, 1.0]])}, {"gene_set": "g", "scouts": [0, 2]} | meta)


def test_a_stored_guide_comes_back(tmp_path):
    guide().save(tmp_path / "guide")
    found = Guide.load(tmp_path / "guide", {"gene_set": "g"})
    assert torch.equal(found.values["weight"], guide().values["weight"])
    assert found.meta == guide().meta


def test_a_guide_of_other_genes_is_refused(tmp_path):
    guide().save(tmp_path / "guide")
    with pytest.raises(CheckpointError, match="its gene set is g, not other"):
        Guide.load(tmp_path / "guide", {"gene_set": "other"})


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_guide_outside_0_to_1_is_refused(tmp_path, value):
    Guide({"weight": torch.tensor([0.5, value])}, {}).save(tmp_path / "guide")
    with pytest.raises(CheckpointError, match=r"weight is not within \[0, 1\]"):
        Guide.load(tmp_path / "guide")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Linear(4, 1), r"weight is \(1, 3\), in the model \(1, 4\)"),
        (nn.ReLU(), "weight is not a parameter"),
    ],
)
def test_a_guide_is_checked_against_the_model_by_name_and_shape(model, message):
    guide().check(nn.Linear(3, 1))
    with pytest.raises(CheckpointError, match=message):
        guide().check(model)


def test_the_summary_has_a_row_a_tensor():
    (row,) = guide().summary()
    assert (row["name"], row["n_parameters"]) == ("weight", 3)
    assert row["mean"] == pytest.approx(1.4 / 3)
    assert row["share_above_half"] == pytest.approx(1 / 3)
