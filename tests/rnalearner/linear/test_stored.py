"""A linear classifier on disk: the same bytes come back, or nothing does."""

import json
from pathlib import Path

import numpy as np
import pytest

from rnalearner.config import LinearConfig, PreprocessingConfig
from rnalearner.errors import CheckpointError
from rnalearner.linear.guided import GuidedLinear, fit_guided
from rnalearner.linear.index import GENES as GENES_FILE
from rnalearner.linear.index import INDEX, TRAINING
from rnalearner.linear.stored import MODEL, LinearIndex, StoredLinear, Training
from rnalearner.preprocessing.normalize import log2p1_cpm
from tests.toy_mice import GENES, IDS, mice, mouse_guide

LABELS = ["FLT", "GC", "VIV"] * 4
CLASSES = {2: ["GC", "FLT"], 3: ["FLT", "GC", "VIV"]}


def learned(n_classes: int) -> tuple[GuidedLinear, np.ndarray]:
    """A model, and samples that its columns fit."""
    x_ng = log2p1_cpm(mice(LABELS, 1), np.full(len(LABELS), 1e6))
    y_n = np.array([CLASSES[3].index(label) for label in LABELS]) if n_classes == 3 else None
    y_n = (np.array(LABELS) == "FLT").astype(int) if y_n is None else y_n
    model = fit_guided(x_ng, y_n, genes=IDS, cohort_mg=x_ng, guide=mouse_guide(), config=LinearConfig())
    return model, x_ng[:, [IDS.index(gene) for gene in model.genes]]


def meta(n_classes: int = 2) -> dict[str, object]:
    return {"gene_set": GENES.sha256, "classes": CLASSES[n_classes], "guide": None}


@pytest.mark.parametrize("n_classes", [2, 3])
def test_what_comes_back_says_the_same_to_the_last_bit(tmp_path: Path, n_classes: int):
    model, x_ng = learned(n_classes)
    StoredLinear(model, meta(n_classes)).save(tmp_path / "m")
    found = StoredLinear.load(tmp_path / "m", {"classes": CLASSES[n_classes]})
    assert found.meta == meta(n_classes)
    assert found.model.genes == model.genes
    for cohort in (None, x_ng):
        assert (
            found.model.probabilities(x_ng, cohort).tobytes() == model.probabilities(x_ng, cohort).tobytes()
        )
        assert found.model.scores(x_ng, cohort).tobytes() == model.scores(x_ng, cohort).tobytes()


def test_one_flipped_bit_is_refused_wherever_it_lies(tmp_path: Path):
    StoredLinear(learned(2)[0], meta()).save(tmp_path / "m")
    for name, place in (("weights.safetensors", -1), ("checkpoint.json", 200)):
        path = tmp_path / "m" / name
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            StoredLinear.load(tmp_path / "m")
        content[place] ^= 1
        path.write_bytes(content)
    assert StoredLinear.load(tmp_path / "m")
    (tmp_path / "m" / "weights.safetensors").unlink()
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        StoredLinear.load(tmp_path / "m")


def test_other_classes_or_genes_and_something_else_altogether_are_refused(tmp_path: Path):
    model, x_ng = learned(2)
    StoredLinear(model, meta()).save(tmp_path / "m")
    with pytest.raises(CheckpointError, match="its classes is"):
        StoredLinear.load(tmp_path / "m", {"classes": ["a", "b"]})
    StoredLinear(model, meta(3)).save(tmp_path / "three")
    with pytest.raises(CheckpointError, match="is no linear classifier"):
        StoredLinear.load(tmp_path / "three")
    Training(x_ng, np.zeros(len(x_ng))).save(tmp_path, GENES, CLASSES[2])
    with pytest.raises(CheckpointError, match="is no linear classifier"):
        StoredLinear.load(tmp_path / TRAINING)


def test_an_index_finds_its_classifiers_and_is_refused_where_it_does_not_fit(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"no classifiers here.*rnalearner linear"):
        LinearIndex.load(tmp_path)
    StoredLinear(learned(2)[0], meta()).save(tmp_path / "flight" / MODEL)
    config = LinearConfig(cohort_centring=False)
    preprocessing = PreprocessingConfig(min_expressed_genes=7)
    LinearIndex({"flight": ("GC", "FLT")}, preprocessing, config, GENES).save(tmp_path)
    index = LinearIndex.load(tmp_path)
    assert (index.tasks, index.settings, index.gene_set) == ({"flight": ("GC", "FLT")}, config, GENES)
    assert index.preprocessing == preprocessing
    assert index.classifier(tmp_path, "flight").meta["classes"] == ["GC", "FLT"]

    (tmp_path / GENES_FILE).write_text("\n".join(reversed(IDS)) + "\n")
    with pytest.raises(CheckpointError, match=r"not the genes of the classifiers.*rnalearner linear"):
        LinearIndex.load(tmp_path)
    content = json.loads((tmp_path / INDEX).read_text())
    del content["tasks"]
    (tmp_path / INDEX).write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="cannot be read"):
        LinearIndex.load(tmp_path)


def test_training_samples_come_back_with_what_was_not_measured(tmp_path: Path):
    x_ng = np.array([[1.0, np.nan], [2.0, 3.0]], np.float32)
    Training(x_ng, np.array([0, 1])).save(tmp_path, GENES, CLASSES[2])
    found = Training.load(tmp_path, GENES, CLASSES[2])
    np.testing.assert_array_equal(found.log2_cpm_ng, x_ng)
    assert found.y_n.tolist() == [0, 1]
    with pytest.raises(CheckpointError, match="its classes is"):
        Training.load(tmp_path, GENES, ["a", "b"])
