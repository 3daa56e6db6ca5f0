"""Phase III on Ray: every task x arm x seed is a Ray task; bounded in flight, results as they come."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import ray
import torch

from cluster.in_flight import completed
from cluster.resources import finetune_resources, use_gpu
from rnalearner.checkpoint import WEIGHTS
from rnalearner.config import RunConfig
from rnalearner.finetune.arms import arm_encoder, gene_readout
from rnalearner.finetune.classifier import Classifier
from rnalearner.finetune.fewshot import FewShotTask
from rnalearner.finetune.scored import scored_rows
from rnalearner.finetune.train import LabelledTokens, finetune
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity
from rnalearner.model.inputs import stored_inputs
from rnalearner.publish import sha256_of
from rnalearner.shards.read import ShardStore
from rnalearner.shared import hand_on, on_this_host, pull, push
from rnalearner.storage import Storage

OnRun = Callable[[int, int, str, Mapping[str, float]], None]
"""Runs done, all runs, the one that just ended, and how it does on what it learned from and watched."""
_READ = ("ingest", "genes", "pretrain", "scout")
"""Phases that a run may read, where there are any."""
_WATCHED = ("train_accuracy", "validation_accuracy")
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class _Run:
    """One task, arm and seed."""

    task: FewShotTask
    arm: str
    seed: int

    @property
    def name(self) -> str:
        """Of its classifier, among all."""
        return f"{self.task.config.name}/{self.arm}/{self.seed}"

    def __str__(self) -> str:
        return f"{self.task.config.name}, {self.arm}, seed {self.seed}"


def run_finetuning(
    layout: RunLayout, config: RunConfig, tasks: Sequence[FewShotTask], on_run: OnRun
) -> Tables:
    """Fine-tune every arm on every task inside an open Ray session, and store every classifier.

    Returns the tables runs, curves and predictions (columns in rnalearner.report.inputs). Raises
    the run's own error where it is the user's to mend, ClusterError where Ray lost it.
    """
    runs = [
        _Run(task, arm, seed)
        for task in tasks
        for arm in config.finetune.arms
        for seed in range(config.finetune.seeds)
    ]
    learned = [name for name in _READ if layout.phase(name).is_dir()]
    hand_on(layout, config.storage, learned)
    resources = finetune_resources(config.ray, config.finetune.in_flight)
    threads = max(1, int(resources["num_cpus"]))
    remote = ray.remote(max_retries=2, **resources)(_finetune)
    on_gpu = use_gpu(config.ray)
    ended = completed(
        runs,
        lambda run: remote.remote(layout, config, run, learned, threads, on_gpu),
        config.finetune.in_flight,
        "run `rnalearner finetune` again",
    )
    rows: dict[str, list[dict[str, Any]]] = {"runs": [], "curves": [], "predictions": []}
    for done, (run, result) in enumerate(ended, start=1):
        _take_in(layout, config, run)
        for name, found in result.items():
            rows[name] += found
        on_run(done, len(runs), str(run), {name: result["runs"][0][name] for name in _WATCHED})
    order = ["task", "arm", "seed"]
    tables = {name: pd.DataFrame(found).sort_values(order, kind="stable") for name, found in rows.items()}
    # After the probabilities of the task with the most classes, whichever came first.
    tables["predictions"]["unseen_subject"] = tables["predictions"].pop("unseen_subject")
    return tables


def _take_in(layout: RunLayout, config: RunConfig, run: _Run) -> None:
    """A classifier that was stored on another host, from where it is on the way."""
    if config.storage.url is not None:
        storage, name = Storage(config.storage.url), f"classifiers/{run.name}"
        pull(storage, name, layout.classifiers / run.name)
        for file in storage.names(name):
            storage.remove(file)


def _finetune(
    layout: RunLayout, config: RunConfig, run: _Run, learned: Sequence[str], threads: int, on_gpu: bool
) -> dict[str, list[dict[str, Any]]]:
    """The body of a Ray task: rows of the three tables; the classifier is stored on the way."""
    torch.set_num_threads(threads)
    begun = time.monotonic()
    layout = on_this_host(layout, config.storage, learned)
    store = ShardStore.open(layout.shards)
    data = {
        split: LabelledTokens(
            torch.from_numpy(stored_inputs(store, d.rows, config.model)), torch.from_numpy(d.y_n)
        )
        for split, d in run.task.datasets()
    }
    own = identity(config.model, store.preprocessing, store.gene_set)
    guide = Guide.load(layout.guide, own) if run.arm == "guided" else None
    seed = config.finetune.seed + run.seed
    readout_d, gene_weight_g = gene_readout(layout, config, store, run.arm)
    result = finetune(
        arm_encoder(layout, config, store, run.arm, seed),
        data,
        config.finetune,
        seed,
        n_classes=run.task.n_classes,
        guide=guide,
        device=torch.device("cuda" if on_gpu else "cpu"),
        readout_d=readout_d,
        gene_weight_g=gene_weight_g,
    )
    train = run.task.train
    meta = own | {
        "preprocessing": store.preprocessing.model_dump(mode="json"),
        "finetune": config.finetune.model_dump(mode="json"),
        "classes": list(run.task.config.class_names),
        "train": {"study": train.study, "samples": list(train.samples)},
        "base_checkpoint": None if run.arm == "none" else sha256_of(layout.base_checkpoint / WEIGHTS),
        "guide": sha256_of(layout.guide / WEIGHTS) if guide is not None else None,
        "epoch_scored": result.epoch_scored,
    }
    Classifier(result.model, meta).save(layout.classifiers / run.name)
    if config.storage.url is not None:
        push(Storage(config.storage.url), f"classifiers/{run.name}", layout.classifiers / run.name)
    named = {"task": run.task.config.name, "arm": run.arm, "seed": run.seed}
    found = scored_rows(run.task, result, time.monotonic() - begun)
    return {name: [named | row for row in rows] for name, rows in found.items()}
