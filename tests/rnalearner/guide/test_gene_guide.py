import numpy as np
import pytest

from rnalearner.errors import CheckpointError
from rnalearner.guide.gene_guide import GeneGuide

GENES = ("ENSMUSG00000000001", "ENSMUSG00000000002", "ENSMUSG00000000003")


@pytest.fixture
def guide() -> GeneGuide:
    values = (np.array([0.5, 2.0, 0.5]), np.array([0.1, 0.2, 0.3]), np.array([2, 3, 4]))
    return GeneGuide(GENES, *values, {"strategy": "within_study", "studies": ["A", "B"]})


def test_a_stored_guide_comes_back(tmp_path, guide):
    guide.save(tmp_path / "guide")
    found = GeneGuide.load(tmp_path / "guide", {"strategy": "within_study"})
    assert (found.genes, found.meta) == (guide.genes, guide.meta)
    for name in ("guide_g", "residual_g", "n_studies_g"):
        np.testing.assert_array_equal(getattr(found, name), getattr(guide, name))


def test_other_genes_in_another_order_and_unknown_ones(guide):
    values = guide.reindexed([GENES[2], "ENSMUSG00000000009", GENES[1]])
    np.testing.assert_array_equal(values.guide_g, [0.5, np.nan, 2.0])
    np.testing.assert_array_equal(values.residual_g, [0.3, np.nan, 0.2])
    assert values.n_studies_g.tolist() == [4, 0, 3]


def test_a_guide_of_another_strategy_is_refused_where_one_is_expected(tmp_path, guide):
    guide.save(tmp_path / "guide")
    with pytest.raises(CheckpointError, match="its strategy is within_study, not graded"):
        GeneGuide.load(tmp_path / "guide", {"strategy": "graded"})


def test_damage_is_noticed(tmp_path, guide):
    guide.save(tmp_path / "guide")
    weights = tmp_path / "guide" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    with pytest.raises(CheckpointError, match="do not match their checksum"):
        GeneGuide.load(tmp_path / "guide")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("guide_g", [1.0, np.nan, 1.0], "negative or no number"),
        ("residual_g", [1.0, -1.0, 1.0], "negative or no number"),
        ("guide_g", [1.0, 1.0], r"guide_g is \(2,\) for 3 genes"),
    ],
)
def test_numbers_that_make_no_guide_are_refused(tmp_path, guide, field, value, told):
    values = {name: getattr(guide, name) for name in ("guide_g", "residual_g", "n_studies_g")}
    GeneGuide(GENES, **values | {field: np.array(value)}, meta={}).save(tmp_path / "guide")
    with pytest.raises(CheckpointError, match=told):
        GeneGuide.load(tmp_path / "guide")


def test_another_checkpoint_is_no_gene_guide(tmp_path):
    import torch

    from rnalearner.checkpoint import save_checkpoint

    save_checkpoint(tmp_path / "other", {"w": torch.zeros(3)}, {})
    with pytest.raises(CheckpointError, match="is no gene guide"):
        GeneGuide.load(tmp_path / "other")
