"""Phase III on Ray: every task x arm x seed is a Ray task; bounded in flight, results as they come."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import ray
import torch

from cluster.resources import finetune_resources, use_gpu
from rnalearner.checkpoint import WEIGHTS
from rnalearner.config import RunConfig
from rnalearner.errors import ClusterError, RnalearnerError
from rnalearner.finetune.classifier import Classifier
from rnalearner.finetune.fewshot import FewShotTask
from rnalearner.finetune.scored import scored_rows
from rnalearner.finetune.train import LabelledTokens, finetune
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity, load_encoder, new_encoder
from rnalearner.model.encoder import ExpressionEncoder, random_gene_vectors
from rnalearner.publish import sha256_of
from rnalearner.shards.read import ShardStore

OnRun = Callable[[int, int, str, Mapping[str, float]], None]
"""Runs done, all runs, the one that just ended, and how it does on what it learned from and watched."""
_WATCHED = ("train_accuracy", "validation_accuracy")
Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class _Run:
    """One task, arm and seed."""

    task: FewShotTask
    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.task.config.name}, {self.arm}, seed {self.seed}"


def run_finetuning(
    layout: RunLayout, config: RunConfig, tasks: Sequence[FewShotTask], on_run: OnRun
) -> Tables:
    """Fine-tune every arm on every task inside an open Ray session, and store every classifier.

    Returns the tables runs, curves and predictions (columns in rnalearner.report.inputs). Raises
    the run's own error where it is the user's to mend, ClusterError where Ray lost it.
    """
    waiting = deque(
        _Run(task, arm, seed)
        for task in tasks
        for arm in config.finetune.arms
        for seed in range(config.finetune.seeds)
    )
    resources = finetune_resources(config.ray, config.finetune.in_flight)
    threads = max(1, int(resources["num_cpus"]))
    remote = ray.remote(max_retries=2, **resources)(_finetune)
    flying: dict[ray.ObjectRef, _Run] = {}
    rows: dict[str, list[dict[str, Any]]] = {"runs": [], "curves": [], "predictions": []}
    total, done = len(waiting), 0
    try:
        while waiting or flying:
            while waiting and len(flying) < config.finetune.in_flight:
                run = waiting.popleft()
                flying[remote.remote(layout, config, run, threads, use_gpu(config.ray))] = run
            for ref in ray.wait(list(flying), num_returns=1)[0]:
                run = flying.pop(ref)
                result = _result(ref, run)
                for name, found in result.items():
                    rows[name] += found
                done += 1
                on_run(done, total, str(run), {name: result["runs"][0][name] for name in _WATCHED})
    finally:
        for ref in flying:
            ray.cancel(ref)
    order = ["task", "arm", "seed"]
    tables = {name: pd.DataFrame(found).sort_values(order, kind="stable") for name, found in rows.items()}
    # After the probabilities of the task with the most classes, whichever came first.
    tables["predictions"]["unseen_subject"] = tables["predictions"].pop("unseen_subject")
    return tables


def _result(ref: "ray.ObjectRef", run: _Run) -> dict[str, list[dict[str, Any]]]:
    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RnalearnerError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise ClusterError(run, f"was lost ({error})", "run `rnalearner finetune` again") from error


def _finetune(
    layout: RunLayout, config: RunConfig, run: _Run, threads: int, on_gpu: bool
) -> dict[str, list[dict[str, Any]]]:
    """The body of a Ray task: rows of the three tables; the classifier is stored on the way."""
    torch.set_num_threads(threads)
    begun = time.monotonic()
    store = ShardStore.open(layout.shards)
    data = {
        split: LabelledTokens(torch.from_numpy(store.tokens(d.rows)), torch.from_numpy(d.y_n))
        for split, d in run.task.datasets()
    }
    own = identity(config.model, store.preprocessing, store.gene_set)
    guide = Guide.load(layout.guide, own) if run.arm == "guided" else None
    seed = config.finetune.seed + run.seed
    result = finetune(
        arm_encoder(layout, config, store, run.arm, seed),
        data,
        config.finetune,
        seed,
        n_classes=run.task.n_classes,
        guide=guide,
        device=torch.device("cuda" if on_gpu else "cpu"),
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
    folder = layout.classifiers / run.task.config.name / run.arm / str(run.seed)
    Classifier(result.model, meta).save(folder)
    named = {"task": run.task.config.name, "arm": run.arm, "seed": run.seed}
    found = scored_rows(run.task, result, time.monotonic() - begun)
    return {name: [named | row for row in rows] for name, rows in found.items()}


def arm_encoder(
    layout: RunLayout, config: RunConfig, store: ShardStore, arm: str, seed: int
) -> ExpressionEncoder:
    """The encoder that an arm starts from; random ones differ from seed to seed."""
    if arm == "none":
        generator = torch.Generator().manual_seed(seed)
        vectors_gd = random_gene_vectors(len(store.gene_set), config.model.dim, generator)
        return new_encoder(config.model, store.preprocessing, vectors_gd, seed)
    encoder, _ = load_encoder(layout.base_checkpoint, config.model, store.preprocessing, store.gene_set)
    if arm == "vectors":
        return new_encoder(config.model, store.preprocessing, encoder.gene_vectors_gd, seed)
    return encoder
