"""Ray Train around `rnalearner.pretrain`: who runs it, where its state lies, how a run goes on.

Every worker opens the shards by path and rank 0 writes the state by path: the run's folder must be
on storage that all nodes share, or the recipe names a `storage.url` through which workers fetch shards
and state, and rank 0 hands the state on. A killed worker ends its group; Ray starts a new one, which goes
on from the state.
"""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import ray.train
import ray.train.torch
from pyarrow.fs import FSSpecHandler, PyFileSystem

from cluster.pretrain_progress import PROGRESS, OnProgress, Teller, polled
from cluster.resources import train_scaling
from rnalearner.config.run import RunConfig
from rnalearner.errors import ClusterError, RnalearnerError
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity, save_encoder
from rnalearner.pretrain.baselines import TrivialScore
from rnalearner.pretrain.batches import PretrainData
from rnalearner.pretrain.centring import Centring
from rnalearner.pretrain.loop import Rank, finished, pretrain, samples_per_s
from rnalearner.pretrain.start import start_of
from rnalearner.pretrain.state import Progress, load_state, read_progress, save_state
from rnalearner.pretrain.step import make_optimiser, new_pretrain_model
from rnalearner.pretrain.stopping import EarlyStopping
from rnalearner.publish import publish_file
from rnalearner.shards.read import ShardStore
from rnalearner.shared import fetch, hand_on, on_this_host
from rnalearner.storage import Storage

MAX_FAILURES = 3
"""Times that a killed worker is replaced before the run is given up."""


@dataclass(frozen=True)
class PretrainResult:
    """How pretraining ended: figures of the best validation beside the trivial predictors'."""

    steps: int
    best_step: int
    valid_loss: float
    valid_accuracy: float
    trivial: TrivialScore
    samples_per_s: float
    stopped_early: bool
    history: tuple[Mapping[str, float], ...]

    @property
    def figures(self) -> dict[str, float]:
        """All but the history, flat, for a marker or a table."""
        plain = asdict(self)
        return {k: v for k, v in plain.items() if k not in ("history", "trivial")} | plain["trivial"]


@dataclass(frozen=True)
class _Job:
    """What every worker is told; the large arrays travel once, through the object store."""

    layout: RunLayout
    config: RunConfig
    rows_train: np.ndarray
    rows_valid: np.ndarray
    gene_vectors_gd: np.ndarray
    known: np.ndarray
    trivial: TrivialScore
    centring: Centring | None
    fingerprint: str

    @property
    def told(self) -> Storage:
        """Where PROGRESS lies: a place that driver and rank 0 both see."""
        url = self.config.storage.url
        return Storage(self.layout.phase("pretrain") if url is None else f"{url}/progress")

    def data(self, store: ShardStore) -> PretrainData:
        settings, groups = self.config.pretrain, self.config.shards.shuffle_groups
        return PretrainData(store, self.rows_train, self.rows_valid, settings, groups, self.centring)


def run_pretraining(
    layout: RunLayout,
    config: RunConfig,
    rows_train: np.ndarray,
    rows_valid: np.ndarray,
    gene_vectors_gd: np.ndarray,
    fingerprint: str,
    on_progress: OnProgress = lambda step, max_steps, figures: None,
) -> PretrainResult:
    """Pretrain inside an open Ray session; write state, metrics and the best encoder to `layout`.

    Goes on from the state in `layout` if it has the same `fingerprint`, and starts afresh otherwise.
    `rows_train` and `rows_valid` are rows of the shards, of different studies. Raises ClusterError
    where workers died too often, and the workers' own error where it is the user's to mend.
    """
    data, known, trivial = start_of(ShardStore.open(layout.shards), config, rows_train, rows_valid)
    progress = read_progress(layout.pretrain_state, fingerprint)
    if progress is None or not finished(progress, config.pretrain):
        job = _Job(
            layout,
            config,
            rows_train,
            data.rows_valid,
            gene_vectors_gd,
            known,
            trivial,
            data.centring,
            fingerprint,
        )
        progress = _fit(job, on_progress)
    return _result(progress, trivial)


def _fit(job: _Job, on_progress: OnProgress) -> Progress:
    """Run the workers to the end of training."""
    layout, config = job.layout, job.config
    hand_on(layout, config.storage, ("ingest", "pretrain"))
    trainer = ray.train.torch.TorchTrainer(
        _train_on_worker,
        train_loop_config={"job": job},
        scaling_config=train_scaling(config.ray, config.pretrain.num_workers),
        run_config=ray.train.RunConfig(
            name="pretrain",
            **_ray_storage(job),
            failure_config=ray.train.FailureConfig(max_failures=MAX_FAILURES),
        ),
    )
    job.told.remove(PROGRESS)
    with polled(job.told, config.pretrain.max_steps, on_progress), _own_interrupt():
        try:
            trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise own_error(error) from error
    fetch(layout, config.storage, ("pretrain",))
    progress = read_progress(layout.pretrain_state, job.fingerprint)
    if progress is None:
        what = "the workers ended without leaving a state"
        raise ClusterError(
            layout.pretrain_state, what, "the run's folder must be on storage that all nodes share"
        )
    return progress


def _ray_storage(job: _Job) -> dict[str, Any]:
    """Where Ray Train keeps its own notes, as arguments of its RunConfig."""
    if job.config.storage.url is None:
        return {"storage_path": str(job.layout.ray_train.absolute())}
    # A folder for each recipe: what lies in the run's own is removed with another recipe's results.
    files, path = fsspec.core.url_to_fs(f"{job.config.storage.url}/ray/{job.fingerprint}")
    return {"storage_path": path, "storage_filesystem": PyFileSystem(FSSpecHandler(files))}


def _train_on_worker(settings: dict[str, Any]) -> None:
    """What each of Ray Train's workers runs."""
    job: _Job = settings["job"]
    config = job.config
    layout = on_this_host(job.layout, config.storage, ("ingest", "pretrain"))
    context = ray.train.get_context()
    rank = Rank(context.get_world_rank(), context.get_world_size(), ray.train.torch.get_device())
    store = ShardStore.open(layout.shards)
    model = new_pretrain_model(
        config.model, config.pretrain, store.preprocessing, job.gene_vectors_gd, job.known
    ).to(rank.device)
    optimiser = make_optimiser(model, config.pretrain.learning_rate, config.pretrain.weight_decay)
    stored = load_state(layout.pretrain_state, model, optimiser, job.fingerprint)
    start = stored or Progress(EarlyStopping(config.pretrain.patience))
    tell = Teller(job.told) if rank.rank == 0 else lambda step, score_3: None
    meta = identity(config.model, store.preprocessing, store.gene_set)
    # No `ray.train.report`: its controller takes one in two seconds, and all that it would be told is here.
    for progress in pretrain(model, optimiser, job.data(store), start, rank, tell):
        if rank.rank == 0:
            # The state last: were this interrupted, the same validation would be done again.
            if progress.stopping.improved:
                figures = {"step": progress.step, "valid_loss": progress.history[-1]["valid_loss"]}
                save_encoder(layout.base_checkpoint, model.encoder, meta | figures)
            _write_metrics(layout.pretrain_metrics, progress, job.trivial, config.model.values)
            save_state(layout.pretrain_state, model, optimiser, progress, job.fingerprint)
            hand_on(layout, config.storage, ("pretrain",))


def _write_metrics(path: Path, progress: Progress, trivial: TrivialScore, values: str) -> None:
    """The whole history anew, so that a run which went on has no row twice."""
    table = pd.DataFrame([dict(row) for row in progress.history]).assign(
        model_values=values, **asdict(trivial)
    )
    with publish_file(path) as temporary:
        table.to_csv(temporary, index=False)


@contextmanager
def _own_interrupt() -> Iterator[None]:
    """Give Ctrl-C back: the trainer installs a handler of its own and leaves it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def own_error(error: Exception) -> RnalearnerError:
    """A worker's own error where it had one, else that Ray Train gave up."""
    failures = getattr(error, "worker_failures", {})
    for failure in failures.values():
        cause = getattr(failure, "cause", failure)
        if isinstance(cause, RnalearnerError):
            return cause
    first = str(next(iter(failures.values()), error)).strip().splitlines()
    what = f"pretraining failed {MAX_FAILURES + 1} times ({first[-1] if first else type(error).__name__})"
    return ClusterError("Ray Train", what, "start it again to go on from its last state")


def _result(progress: Progress, trivial: TrivialScore) -> PretrainResult:
    stopping = progress.stopping
    best = next(row for row in progress.history if row["step"] == stopping.best_step)
    return PretrainResult(
        steps=progress.step,
        best_step=stopping.best_step,
        valid_loss=best["valid_loss"],
        valid_accuracy=best["valid_accuracy"],
        trivial=trivial,
        samples_per_s=samples_per_s(progress),
        stopped_early=stopping.stop,
        history=progress.history,
    )
