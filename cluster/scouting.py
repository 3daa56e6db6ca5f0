"""The driver of Phase II: bounded scouts in flight, results as they come, one guide at the end."""

import json
import logging
import shutil
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from cluster.failure_policy import Decision, Limits, decide
from cluster.guide_actor import GuideActor
from cluster.local import ray_session
from cluster.resources import guide_resources, scout_resources
from cluster.scout_actor import ScoutActor
from rnalearner.checkpoint import WEIGHTS, check_same, load_meta
from rnalearner.config import RunConfig
from rnalearner.errors import ClusterError, RnalearnerError
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity
from rnalearner.publish import sha256_of, write_json
from rnalearner.scouts.contrast import Contrast
from rnalearner.scouts.train import EpisodeResult, ScoutProgress
from rnalearner.shards.read import ShardStore

log = logging.getLogger(__name__)
POLL_S = 0.5
Listener = Callable[[ScoutProgress], None]


@dataclass
class ScoutingResult:
    """The guide, how each scout ended (in the order they finished), and which were given up and why."""

    guide: Guide
    results: list[EpisodeResult] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)

    def table(self, contrasts: Sequence[Contrast]) -> pd.DataFrame:
        """A row a scout, in the order of their numbers; `failed` is empty for those that succeeded."""
        rows = [asdict(result) | {"failed": ""} for result in self.results]
        rows += [
            {"scout_id": i, "name": contrasts[i].name, "failed": why} for i, why in self.failures.items()
        ]
        return pd.DataFrame(rows).sort_values("scout_id", ignore_index=True)


def run_scouting(
    layout: RunLayout,
    config: RunConfig,
    contrasts: Sequence[Contrast],
    on_progress: Listener = lambda progress: None,
    limits: Limits | None = None,
) -> ScoutingResult:
    """Run a scout a contrast from layout.base_checkpoint over layout.shards; publish it at layout.guide.

    A scout's number is its contrast's place. Scouts that had finished when an earlier run of the same
    phase was interrupted do not run again. `on_progress` hears of every scout: each epoch, and how it
    ended. Raises CheckpointError where base checkpoint and shards do not fit, ClusterError where too
    many scouts failed.
    """
    layout = RunLayout(layout.root.resolve())
    store = ShardStore.open(layout.shards)
    meta = load_meta(layout.base_checkpoint)
    same = identity(config.model, store.preprocessing, store.gene_set)
    check_same(layout.base_checkpoint, meta, same)
    base_sha256 = sha256_of(layout.base_checkpoint / WEIGHTS)
    with ray_session(config.ray):
        driver = _Driver(layout, config, contrasts, base_sha256, on_progress, limits or Limits())
        try:
            driver.run()
            guide = driver.publish(same)
        finally:
            driver.close()
    return ScoutingResult(guide, driver.results, driver.failures)


class _Driver:
    """What is waiting, what is in flight, what is done."""

    def __init__(
        self,
        layout: RunLayout,
        config: RunConfig,
        contrasts: Sequence[Contrast],
        base_sha256: str,
        on_progress: Listener,
        limits: Limits,
    ) -> None:
        self.layout, self.config, self.contrasts, self.limits = layout, config, contrasts, limits
        self.base_sha256, self.on_progress = base_sha256, on_progress
        self.results: list[EpisodeResult] = []
        self.failures: dict[int, str] = {}
        self.waiting: deque[tuple[int, int]] = deque()
        self.flying: dict[ray.ObjectRef, tuple[Any, int, int]] = {}
        self.idle: list[Any] = []
        self.shown: dict[int, ScoutProgress] = {}
        for scout_id in range(len(contrasts)):
            finished = self._finished(scout_id)
            if finished is None:
                shutil.rmtree(self._record(scout_id).parent, ignore_errors=True)
                self.waiting.append((scout_id, 0))
                self._show(scout_id, "PENDING")
            else:
                self.results.append(finished)
                self._show(scout_id, "SUCCEEDED", finished)
        self.resources = scout_resources(config.ray, config.scouting.in_flight)
        self.guide_name = f"guide-{uuid.uuid4().hex}"
        self.guide = self._new_guide()

    def run(self) -> None:
        while self.waiting or self.flying:
            while self.waiting and len(self.flying) < self.config.scouting.in_flight:
                self._launch(*self.waiting.popleft())
            done, _ = ray.wait(list(self.flying), num_returns=1, timeout=POLL_S)
            self._relay_progress()
            for ref in done:
                self._land(ref)

    def publish(self, same: dict[str, Any]) -> Guide:
        """The guide of all scouts that succeeded."""
        scouting = self.config.scouting
        scout_ids = sorted(result.scout_id for result in self.results)
        meta = same | {
            "base_checkpoint": self.base_sha256,
            "measure": scouting.measure,
            "scaling": scouting.scaling,
            "strategy": scouting.strategy,
            "trained_blocks": scouting.trained_blocks,
            "scouts": scout_ids,
        }
        self._ask_guide("publish", self.layout.guide, scout_ids, scouting, meta)
        return Guide.load(self.layout.guide, same)

    def close(self) -> None:
        """End the actors: in a cluster that others share, nothing else would."""
        for actor in [*self.idle, *(actor for actor, _, _ in self.flying.values()), self.guide]:
            ray.kill(actor)

    def _launch(self, scout_id: int, attempt: int) -> None:
        actor = self.idle.pop() if self.idle else self._new_scout()
        self.flying[actor.run.remote(scout_id, self.contrasts[scout_id], attempt)] = actor, scout_id, attempt
        self._show(scout_id, "RUNNING")

    def _land(self, ref: "ray.ObjectRef") -> None:
        actor, scout_id, attempt = self.flying.pop(ref)
        try:
            result: EpisodeResult = ray.get(ref)
        except RayError as error:
            ray.kill(actor)  # whatever state it is in
            self._judge(scout_id, attempt, error.cause if isinstance(error, RayTaskError) else error)
            return
        self.idle.append(actor)
        self.results.append(result)
        write_json(self._record(scout_id), asdict(result) | {"base_checkpoint": self.base_sha256})
        self._show(scout_id, "SUCCEEDED", result)

    def _judge(self, scout_id: int, attempt: int, error: BaseException) -> None:
        verdict = decide(error, attempt, len(self.failures), len(self.contrasts), self.limits)
        what = str(error) if isinstance(error, RnalearnerError) else _first_line(error)
        log.warning("scout %d failed (%s): %s, %s", scout_id, what, verdict.decision.value, verdict.reason)
        if verdict.decision is Decision.RETRY:
            self.waiting.append((scout_id, attempt + 1))
            self._show(scout_id, "PENDING")
            return
        self._show(scout_id, "FAILED")
        if verdict.decision is Decision.SKIP:
            self.failures[scout_id] = what
            return
        if isinstance(error, RnalearnerError):
            raise error
        raise ClusterError(
            f"scout {scout_id}", f"failed ({what}); {verdict.reason}", "see the logs of Ray"
        ) from error

    def _relay_progress(self) -> None:
        """Pass on what the scouts in flight have reported since."""
        in_flight = {scout_id for _, scout_id, _ in self.flying.values()}
        try:
            progress = ray.get(self.guide.all_progress.remote(), timeout=POLL_S)
        except GetTimeoutError:
            return  # it is busy, or starts again: the next round will tell
        except RayError:
            self.guide = self._new_guide()
            return
        for scout_id in sorted(in_flight & progress.keys()):
            if self.shown.get(scout_id) != progress[scout_id]:
                self.shown[scout_id] = progress[scout_id]
                self.on_progress(progress[scout_id])

    def _show(self, scout_id: int, status: Any, result: EpisodeResult | None = None) -> None:
        known = self.shown.get(scout_id)
        progress = ScoutProgress(
            scout_id,
            self.contrasts[scout_id].name,
            result.epochs if result else known.epoch if known and status == "FAILED" else 0,
            self.config.scouting.max_epochs,
            result.accuracy if result else None,
            result.loss if result else None,
            status,
        )
        self.shown[scout_id] = progress
        self.on_progress(progress)

    def _ask_guide(self, method: str, *args: Any) -> Any:
        """Once more with a new actor where the first is gone: its state is on disk."""
        try:
            return ray.get(getattr(self.guide, method).remote(*args))
        except RayTaskError as error:
            raise error.cause from error
        except RayError:
            self.guide = self._new_guide()
            return ray.get(getattr(self.guide, method).remote(*args))

    def _new_guide(self) -> Any:
        """Ray starts it again after a crash; where Ray has given up, this makes another of its name."""
        options = {"max_restarts": -1, "max_task_retries": -1, "get_if_exists": True}
        actor = ray.remote(GuideActor).options(name=self.guide_name, **options, **guide_resources())
        return actor.remote(self.layout.deltas)

    def _new_scout(self) -> Any:
        threads, gpu = int(self.resources["num_cpus"]), self.resources["num_gpus"] > 0
        actor = ray.remote(ScoutActor).options(**self.resources)
        return actor.remote(self.layout, self.config, self.guide_name, threads, gpu)

    def _record(self, scout_id: int) -> Path:
        return self.layout.deltas / f"scout-{scout_id:05d}" / "result.json"

    def _finished(self, scout_id: int) -> EpisodeResult | None:
        """How this scout ended in an earlier, interrupted run from the same base checkpoint."""
        try:
            record = json.loads(self._record(scout_id).read_text())
        except (OSError, ValueError):
            return None
        if (
            record.pop("base_checkpoint") != self.base_sha256
            or record["name"] != self.contrasts[scout_id].name
        ):
            return None
        return EpisodeResult(**record)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
