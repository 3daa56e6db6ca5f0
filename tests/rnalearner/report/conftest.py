"""A finished run's tables, small enough to work out by hand."""

import numpy as np
import pandas as pd
import pytest

from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout
from rnalearner.publish import write_json

RIGHT = {"none": 3, "pretrained": 5, "guided": 6}
"""Of the six test samples of task `flight`, how many each arm calls right with every seed."""


def _predictions() -> pd.DataFrame:
    rows = []
    for arm, n_right in RIGHT.items():
        for seed in (0, 1):
            for i in range(6):
                y = i % 2
                says = y if i < n_right else 1 - y
                probability = 0.5 + (0.1 + 0.05 * seed + 0.01 * i) * (1 if says else -1)
                p = (1 - probability, probability)
                rows.append(("flight", arm, seed, "test", f"s{i}", f"m{i}", "T", y, says, *p, i >= 2))
            rows.append(("flight", arm, seed, "train", "a0", "m0", "A", 1, 1, 0.1, 0.9, False))
    columns = [
        "task",
        "arm",
        "seed",
        "split",
        "sample",
        "subject",
        "study",
        "y",
        "call",
        "p0",
        "p1",
        "unseen_subject",
    ]
    return pd.DataFrame(rows, columns=columns)


def _rival_predictions() -> pd.DataFrame:
    rows = []
    for arm, centred, right, p in (("lr_l2", False, False, 0.4), ("nearest_centroid", True, True, np.nan)):
        for i in range(6):
            y = i % 2
            call = y if right else 1 - y
            rows.append(("flight", arm, centred, f"s{i}", f"m{i}", y, call, 2 * call - 1, 1 - p, p, i >= 2))
    columns = ["task", "arm", "centred", "sample", "subject", "y", "call", "score", "p0", "p1"]
    columns.append("unseen_subject")
    return pd.DataFrame(rows, columns=columns)


GENES = ("ENSMUSG00000000001", "ENSMUSG00000000003", "ENSMUSG00000000028")


def write_learner(layout: RunLayout, guided: bool = True) -> None:
    """The guided linear learner on task `flight`: five of six right, three genes."""
    of_arm = _predictions().query("arm == 'pretrained' and seed == 0")
    of_arm.assign(arm="linear").to_csv(layout.linear("predictions"), index=False)
    run = {"task": "flight", "arm": "linear", "seed": 0, "guided": guided, "samples_a_class": 3}
    run |= {"genes_used": 3, "train_accuracy": 1.0, "validation_accuracy": np.nan, "test_accuracy": 5 / 6}
    pd.DataFrame([run | {"test_auroc": 0.9, "test_brier": 0.1, "seconds": 0.1}]).to_csv(
        layout.linear("runs"), index=False
    )
    genes = {
        "task": "flight",
        "class": "FLT",
        "rank": [1, 2, 3],
        "gene": GENES,
        "symbol": ["Gnai3", "NA", ""],
    }
    told = {"weight": [1.5, -0.5, 0.25], "guide": [3.25, 0.75, np.nan], "effect": [2.0, -1.0, 0.4]}
    pd.DataFrame(genes | told | {"share": [0.75, 0.125, 0.125]}).to_csv(layout.linear("genes"), index=False)


CALLED = {
    "none": (0, 1, 2, 0, 1, 2),
    "guided": (0, 1, 2, 1, 2, 0),
}
"""Calls of task `organ`'s six test samples, whose classes are 0, 1, 2, 0, 1, 2."""


def _organ_predictions() -> pd.DataFrame:
    """Three classes: the called one has .6, the others .3 and .1."""
    rows = []
    for arm, calls in CALLED.items():
        for i, call in enumerate(calls):
            p = {f"p{(call + step) % 3}": share for step, share in enumerate((0.6, 0.3, 0.1))}
            named = {"task": "organ", "arm": arm, "seed": 0, "split": "test", "sample": f"o{i}"}
            told = {"subject": "", "study": "OT", "y": i % 3, "call": call, "unseen_subject": True}
            rows.append(named | told | p)
    return pd.DataFrame(rows)


def _organ_linear() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Linear arms of three classes: no score in the predictions, and one arm without probabilities."""
    predictions = _organ_predictions().query("arm == 'none'").drop(columns=["seed", "split", "study"])
    predictions = predictions.assign(arm="lr_l2", centred=False, score=np.nan)
    without = predictions.assign(arm="nearest_centroid", centred=True, p0=np.nan, p1=np.nan, p2=np.nan)
    linear = pd.DataFrame({"task": "organ", "arm": ["lr_l2", "nearest_centroid"], "centred": [False, True]})
    scores = {"test_accuracy": 1.0, "test_auroc": [1.0, 0.75], "test_brier": [0.13, np.nan]}
    return linear.assign(**scores), pd.concat([predictions, without], ignore_index=True)


@pytest.fixture
def organ_predictions() -> pd.DataFrame:
    return _organ_predictions()


@pytest.fixture
def organ_linear() -> tuple[pd.DataFrame, pd.DataFrame]:
    return _organ_linear()


@pytest.fixture
def runs() -> pd.DataFrame:
    """Of `flight`, and of a task that has neither validation nor test."""
    rows = [
        {"task": task, "arm": arm, "seed": seed, "epoch_scored": 9, "train_accuracy": 0.9 + 0.1 * seed}
        | {"validation_accuracy": np.nan if task == "untested" else 0.5, "seconds": 1.0}
        | dict.fromkeys(("test_accuracy", "test_auroc", "test_brier", "test_loss"), np.nan)
        for task in ("flight", "untested")
        for arm in RIGHT
        for seed in (0, 1)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def predictions() -> pd.DataFrame:
    return _predictions()


@pytest.fixture
def rival_predictions() -> pd.DataFrame:
    return _rival_predictions()


@pytest.fixture
def pretrain() -> pd.DataFrame:
    steps = np.arange(0, 500, 50)
    return pd.DataFrame(
        {
            "step": steps,
            "train_loss": 2.2 * np.exp(-steps / 150) + 0.7,
            "valid_loss": 2.2 * np.exp(-steps / 150) + 0.9 + 0.0004 * steps,
            "valid_accuracy": 0.62 - 0.5 * np.exp(-steps / 120),
            "commonest_accuracy": 0.31,
            "mode_accuracy": 0.55,
            "commonest_loss": 2.1,
            "mode_loss": 1.3,
            "learning_rate": 1e-3,
        }
    )


@pytest.fixture
def scouts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "scout_id": [0, 1, 2],
            "name": ["cluster 0 against 1", "cluster 1 against 2", "<script>alert(1)</script>"],
            "n_train": [40, 40, 12],
            "n_held": [10, 10, 4],
            "epochs": [3, 5, 0],
            "steps": [15, 25, 0],
            "accuracy": [1.0, 0.9, np.nan],
            "loss": [0.1, 0.3, np.nan],
            "converged": [True, False, False],
            "moved": [0.25, 0.75, np.nan],
            "failed": ["", "", "out of memory"],
        }
    )


@pytest.fixture
def curves() -> pd.DataFrame:
    rows = [
        (
            "flight",
            arm,
            seed,
            epoch,
            split,
            0.7 * np.exp(-epoch / (40 if split == "train" else 90)) + 0.03 * seed,
            1 - 0.5 * np.exp(-epoch / 30) if split == "train" else 0.5 + 0.05 * place,
        )
        for place, arm in enumerate(RIGHT)
        for seed in (0, 1)
        for epoch in range(0, 101, 10)
        for split in ("train", "validation", "test")
    ]
    return pd.DataFrame(rows, columns=["task", "arm", "seed", "epoch", "split", "loss", "accuracy"])


@pytest.fixture
def config() -> RunConfig:
    task = {"name": "flight", "train": "A", "validation": "V", "test": "T", "truth": "signal"}
    return RunConfig.model_validate({"name": "toy", "tasks": [task]})


@pytest.fixture
def run_folder(tmp_path, predictions, rival_predictions, pretrain, scouts, curves) -> RunLayout:
    """A run's folder with every table, and markers of two phases."""
    layout = RunLayout(tmp_path / "run")
    for phase in ("ingest", "pretrain", "scout", "linear", "finetune", "explore"):
        layout.phase(phase).mkdir(parents=True)
    predictions.to_csv(layout.finetune("predictions"), index=False)
    rival_predictions.to_csv(layout.linear("rival_predictions"), index=False)
    curves.to_csv(layout.finetune("curves"), index=False)
    pretrain.to_csv(layout.pretrain_metrics, index=False)
    scouts.to_csv(layout.scouts, index=False)
    leaks = ["flight: 2 of 6 test subjects are also in train (A): m0, m1"]
    markers = {"pretrain": (12.5, {"steps": 450}), "finetune": (3.5, {"runs": 6, "leaks": leaks})}
    for phase, (seconds, figures) in markers.items():
        marker = {"phase": phase, "fingerprint": "abc", "seconds": seconds, "figures": figures}
        write_json(layout.marker(phase), marker)
    studies = [
        {
            "study": "A",
            "role": "corpus",
            "n_samples": 4,
            "n_kept": 3,
            "dropped": [
                {"sample": "<script>alert(2)</script>", "reason": "expresses 3 genes, fewer than 200"}
            ],
            "panel_genes_measured": 17,
            "read": {"id_type": "symbol", "dropped": {"SRR1": "no average mapped length"}},
        }
    ]
    write_json(layout.ingest_report, {"studies": studies})
    return layout
