"""The benchmark on Ray: surveys of tasks, then pieces, each a Ray task."""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import ray
import torch

from cluster.in_flight import completed
from cluster.resources import benchmark_resources, use_gpu
from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.draws import draws
from rnalearner.benchmark.encoder_arms import score_encoder
from rnalearner.benchmark.linear_arms import GUIDED_ARMS
from rnalearner.benchmark.pca_arm import PcaMaps, pca_maps
from rnalearner.benchmark.permutation import permutation_table
from rnalearner.benchmark.pieces import Piece
from rnalearner.benchmark.plan import Question
from rnalearner.benchmark.scoring import score_linear
from rnalearner.benchmark.survey import Survey, survey
from rnalearner.benchmark.tasks import BenchmarkTask, LoadedTask, load_task
from rnalearner.config import RaySettings
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.layout import RunLayout

Told = dict[str, Any]
"""What a piece cost: seconds, CPUs and GPUs held, and the machine."""
_AGAIN = "run the same command again to go on from here"


def take_surveys(
    question: Question, settings: RaySettings, tasks: Sequence[BenchmarkTask]
) -> Iterator[tuple[BenchmarkTask, Survey]]:
    """Survey the tasks inside an open Ray session, in the order in which they end.

    Raises the errors of reading a task; ClusterError where Ray lost a job.
    """
    resources, at_once = benchmark_resources(settings, encoder=False)
    remote = ray.remote(max_retries=2, **resources)(_survey)
    asked = ray.put(question)
    yield from completed(tasks, lambda task: remote.remote(asked, task), at_once, _AGAIN)


def score_pieces(
    question: Question, settings: RaySettings, pieces: Sequence[Piece], deadline: float | None = None
) -> Iterator[tuple[Piece, pd.DataFrame, Told]]:
    """Score the pieces inside an open Ray session: those of the encoder last, else as they end.

    After `deadline` (of time.monotonic) none starts; those in flight come to their end. Raises a
    piece's own error, or ClusterError where Ray lost it.
    """
    asked = ray.put(question)
    for encoder in (False, True):
        chosen = [piece for piece in pieces if (piece.kind == "encoder") == encoder]
        resources, at_once = benchmark_resources(settings, encoder)
        remote = ray.remote(max_retries=2, **resources)(_score)
        device = "cuda" if encoder and use_gpu(settings) else "cpu"
        submit = partial(remote.remote, asked, device)
        for piece, (rows, told) in completed(chosen, submit, at_once, _AGAIN, deadline):
            yield piece, rows, told | {"cpus": resources["num_cpus"], "gpus": resources["num_gpus"]}


def permute_labels(
    question: Question,
    settings: RaySettings,
    jobs: Sequence[tuple[BenchmarkTask, str]],
    deadline: float | None = None,
) -> Iterator[tuple[tuple[BenchmarkTask, str], pd.DataFrame]]:
    """Permutation tables of tasks and linear arms inside an open Ray session, as they end.

    Raises as `score_pieces`, and keeps to the `deadline` as it does.
    """
    asked = ray.put(question)
    resources, at_once = benchmark_resources(settings, encoder=False)
    remote = ray.remote(max_retries=2, **resources)(_permute)
    yield from completed(jobs, lambda job: remote.remote(asked, *job), at_once, _AGAIN, deadline)


# A worker is asked about the same task again and again, and about the same studies always.
@lru_cache(maxsize=1)
def _compendium(folders: tuple[Path, ...]) -> Compendium:
    return Compendium(folders)


@lru_cache(maxsize=1)
def _loaded(folders: tuple[Path, ...], task: BenchmarkTask, min_cpm: float) -> LoadedTask:
    return load_task(_compendium(folders), task, min_cpm)


@lru_cache(maxsize=1)
def _components(folders: tuple[Path, ...], task: BenchmarkTask, min_cpm: float) -> PcaMaps | None:
    return pca_maps(_compendium(folders), _loaded(folders, task, min_cpm))


def _survey(question: Question, task: BenchmarkTask) -> Survey:
    """The body of a Ray task."""
    config, run = question.config, question.runs.get(task.name)
    loaded = _loaded(config.compendium, task, config.min_cpm)
    return survey(loaded, config.k, config.draws, *(None, None) if run is None else (run.layout, run.config))


def _score(question: Question, device: str, piece: Piece) -> tuple[pd.DataFrame, Told]:
    """The body of a Ray task."""
    begun = time.monotonic()
    torch.set_num_threads(1)
    asked = (question.config.compendium, piece.task, question.config.min_cpm)
    loaded = _loaded(*asked)
    drawn = [draw for draw in draws(loaded, piece.k, max(piece.draws) + 1) if draw.number in piece.draws]
    if piece.kind == "encoder":
        rows = score_encoder(
            RunLayout(piece.run_folder),
            question.runs[piece.task.name].config,
            loaded,
            piece.k,
            drawn,
            piece.arms,
            piece.seeds,
            torch.device(device),
        )
    elif piece.kind == "guided":
        guide = GeneGuide.load(RunLayout(piece.run_folder).gene_guide)
        rows = score_linear(loaded, piece.k, drawn, piece.arms, guide=guide, seeds=piece.seeds)
    else:
        pca = _components(*asked) if "pca10" in piece.arms else None
        rows = score_linear(loaded, piece.k, drawn, piece.arms, pca=pca, seeds=piece.seeds)
    return rows, {"seconds": round(time.monotonic() - begun, 3), "machine": _machine(device)}


def _permute(question: Question, task: BenchmarkTask, arm: str) -> pd.DataFrame:
    """The body of a Ray task."""
    asked = (question.config.compendium, task, question.config.min_cpm)
    run = question.runs.get(task.name)
    guide = GeneGuide.load(run.layout.gene_guide) if arm in GUIDED_ARMS and run is not None else None
    return permutation_table(_loaded(*asked), [arm], guide=guide)


def _machine(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU, {os.cpu_count()} cores"
