"""Who keeps scouting going: launches scouts, judges their failures, publishes versions of the guide."""

import logging
import math
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from cluster.failure_policy import Decision, Limits, decide
from cluster.guide_actor import GuideActor
from cluster.resources import guide_resources, scout_resources
from cluster.scout_actor import ScoutActor
from rnalearner.config import RunConfig
from rnalearner.errors import ClusterError, RnalearnerError
from rnalearner.guide.faults import Base
from rnalearner.guide.versions import Version, converged
from rnalearner.layout import RunLayout
from rnalearner.scouts.contrast import Contrast
from rnalearner.scouts.delta import EpisodeResult, ScoutProgress
from rnalearner.scouts.run_id import run_id
from rnalearner.scouts.train import Scout

log = logging.getLogger(__name__)
POLL_S = 0.5
Listener = Callable[[ScoutProgress], None]


@dataclass
class _Attempt:
    actor: Any
    scout_id: int
    number: int


class Supervisor:
    """What is waiting, what is in flight, what is done; it makes again whatever stays dead."""

    def __init__(
        self,
        layout: RunLayout,
        config: RunConfig,
        contrasts: Sequence[Contrast],
        base: Base,
        same: dict[str, Any],
        on_progress: Listener,
        limits: Limits,
    ) -> None:
        self.layout, self.config, self.contrasts, self.limits = layout, config, contrasts, limits
        self.base, self.on_progress = base, on_progress
        self.run_id = run_id(base.sha256, config.scouting, contrasts)
        place = config.scouting.deltas or str(layout.deltas)
        self.place = f"{place.rstrip('/')}/{self.run_id}"
        scouting = config.scouting
        self.meta = same | {
            "base_checkpoint": base.sha256,
            "run": self.run_id,
            "measure": scouting.measure,
            "scaling": scouting.scaling,
            "weighing": scouting.weighing,
            "strategy": scouting.strategy,
            "seed": scouting.seed,
            "trained_blocks": scouting.trained_blocks,
        }
        self.results: dict[int, EpisodeResult] = {}
        self.failures: dict[int, str] = {}
        self.left_out: dict[int, str] = {}
        self.versions: list[Version] = []
        self.flying: dict[ray.ObjectRef, _Attempt] = {}
        self.idle: list[Any] = []
        self.shown: dict[int, ScoutProgress] = {}
        self.durable: dict[int, int] = {}
        self.fruitless: dict[int, Counter[tuple[bool, bool]]] = {}
        """Failures since the last new delta, by (lost, begun)."""
        self.quorum_at: float | None = None
        self.starting: set[int] = set()
        """Scouts in flight that nothing was heard of yet."""
        self.resources = scout_resources(config.ray, scouting.in_flight)
        self.guide_name = f"guide-{uuid.uuid4().hex}"
        self.guide = self._new_guide()
        self.waiting: deque[tuple[int, int]] = deque()
        self._take_up()

    def _take_up(self) -> None:
        """What an interrupted run of these scouts has committed; without one, all of them wait."""
        ended: dict[int, EpisodeResult] = self._ask_guide("ended")
        attempts: dict[int, int] = self._ask_guide("attempts")
        for scout_id in range(len(self.contrasts)):
            if scout_id in ended:
                self.results[scout_id] = ended[scout_id]
                self._show(scout_id, "SUCCEEDED", ended[scout_id])
            else:
                self.waiting.append((scout_id, attempts.get(scout_id, -1) + 1))
                self._show(scout_id, "PENDING")

    def run(self) -> None:
        """Until every scout has ended, the guide has converged, or the quorum's grace is over."""
        while True:
            self._publish()
            if converged([version.agreement for version in self.versions], self._least_agreement):
                self._leave("not needed: the guide had converged")
                return
            if not (self.waiting or self.flying):
                break
            if self._quorum_is_over():
                self._leave(f"left out: {self.config.scouting.quorum:g} of the scouts were waited for")
                break
            while self.waiting and len(self.flying) < self.config.scouting.in_flight:
                self._launch(*self.waiting.popleft())
            done, _ = ray.wait(list(self.flying), num_returns=1, timeout=POLL_S)
            self._relay_progress()
            for ref in done:
                self._land(ref)
            self._keep_a_spare()
        members = sorted(self.results)
        if not self.versions or self.versions[-1].members != tuple(members):
            self._publish_version(members)

    def close(self) -> None:
        """End the actors: in a cluster that others share, nothing else would."""
        for actor in [*self.idle, *(attempt.actor for attempt in self.flying.values()), self.guide]:
            ray.kill(actor)

    @property
    def _least_agreement(self) -> float:
        return self.config.scouting.guide_agreement

    def _publish(self) -> None:
        """A version for every scout that has ended with none before it still out.

        So the versions, and the one that has converged, are the same whichever scouts were faster.
        """
        members: list[int] = []
        for scout_id in range(len(self.contrasts)):
            if scout_id in self.results:
                members.append(scout_id)
                if len(members) > len(self.versions):
                    self._publish_version(members)
                    if converged([version.agreement for version in self.versions], self._least_agreement):
                        return
            elif scout_id not in self.failures:
                return

    def _publish_version(self, members: Sequence[int]) -> None:
        version: Version = self._ask_guide("publish", len(self.versions) + 1, list(members))
        self.versions.append(version)

    def _quorum_is_over(self) -> bool:
        scouting = self.config.scouting
        if scouting.quorum == 1 or len(self.results) < math.ceil(scouting.quorum * len(self.contrasts)):
            return False
        self.quorum_at = self.quorum_at or time.monotonic()
        return time.monotonic() - self.quorum_at >= scouting.grace_s

    def _leave(self, why: str) -> None:
        """The scouts that are still out, and those that no version needs, are not waited for."""
        for attempt in self.flying.values():
            ray.kill(attempt.actor)
        out = [attempt.scout_id for attempt in self.flying.values()]
        out += [scout_id for scout_id, _ in self.waiting]
        self.flying.clear()
        self.waiting.clear()
        for scout_id in out:
            self.left_out[scout_id] = why
            self._show(scout_id, "STOPPED")

    def _launch(self, scout_id: int, attempt: int) -> None:
        actor = self.idle.pop(0) if self.idle else self._new_scout()
        scout = Scout(self.run_id, scout_id, self.base.sha256, self.contrasts[scout_id])
        self.flying[actor.run.remote(scout, attempt)] = _Attempt(actor, scout_id, attempt)
        self.starting.add(scout_id)
        self._show(scout_id, "RUNNING")

    def _land(self, ref: "ray.ObjectRef") -> None:
        attempt = self.flying.pop(ref)
        self.starting.discard(attempt.scout_id)
        try:
            result: EpisodeResult = ray.get(ref)
        except RayError as error:
            ray.kill(attempt.actor)  # whatever state it is in
            lost = not isinstance(error, RayTaskError)
            self._judge(attempt, error.cause if isinstance(error, RayTaskError) else error, lost)
            return
        self.idle.append(attempt.actor)
        self.results[attempt.scout_id] = result
        self._show(attempt.scout_id, "SUCCEEDED", result)

    def _keep_a_spare(self) -> None:
        """An actor that is ready when one is lost, where there is room for it (without asking for room, which
        might make a cluster grow), and not while others start."""
        if self.idle or self.starting:
            return
        free = ray.available_resources()
        asked = {"CPU": self.resources["num_cpus"], "GPU": self.resources["num_gpus"]}
        if all(free.get(name, 0) >= much for name, much in asked.items()):
            self.idle.append(self._new_scout())

    def _judge(self, attempt: _Attempt, error: BaseException, lost: bool) -> None:
        scout_id, what = attempt.scout_id, _first_line(error)
        durable: int = self._ask_guide("durable", scout_id)
        if durable > self.durable.get(scout_id, 0):
            self.durable[scout_id], self.fruitless[scout_id] = durable, Counter()
        began = getattr(error, "actor_init_failed", False) or self._began(attempt)
        failures = self.fruitless.setdefault(scout_id, Counter())
        n_skipped, n_scouts = len(self.failures), len(self.contrasts)
        verdict = decide(error, lost, began, failures[lost, began], n_skipped, n_scouts, self.limits)
        log.warning("scout %d failed (%s), %s: %s", scout_id, what, verdict.decision.value, verdict.reason)
        if verdict.decision is Decision.RETRY:
            failures[lost, began] += 1
            # First in the queue: the versions of the guide wait for it.
            self.waiting.appendleft((scout_id, attempt.number + 1))
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

    def _began(self, attempt: _Attempt) -> bool:
        attempts: dict[int, int] = self._ask_guide("attempts")
        return attempts.get(attempt.scout_id, -1) >= attempt.number

    def _relay_progress(self) -> None:
        """Pass on what the scouts in flight have reported since."""
        in_flight = {attempt.scout_id for attempt in self.flying.values()}
        try:
            progress = ray.get(self.guide.all_progress.remote(), timeout=POLL_S)
        except GetTimeoutError:
            return  # it is busy, or starts again: the next round will tell
        except RayError:
            self.guide = self._new_guide()
            return
        for scout_id in sorted(in_flight & progress.keys()):
            if self.shown.get(scout_id) != progress[scout_id]:
                self.starting.discard(scout_id)
                self.shown[scout_id] = progress[scout_id]
                self.on_progress(progress[scout_id])

    def _show(self, scout_id: int, status: Any, result: EpisodeResult | None = None) -> None:
        known = self.shown.get(scout_id)
        progress = ScoutProgress(
            scout_id,
            self.contrasts[scout_id].name,
            known.round if known else 0,
            known.max_rounds if known else self.config.scouting.max_epochs,
            result.accuracy if result else None,
            result.loss if result else None,
            status,
        )
        self.shown[scout_id] = progress
        self.on_progress(progress)

    def _ask_guide(self, method: str, *args: Any) -> Any:
        """Once more with a new actor where the first is gone: its state is on storage."""
        deadline = time.monotonic() + self.GUIDE_IS_BACK_S
        while True:
            try:
                return ray.get(getattr(self.guide, method).remote(*args))
            except RayTaskError as error:
                raise error.cause from error
            except RayError:
                if time.monotonic() > deadline:
                    raise
                self.guide = self._new_guide()

    GUIDE_IS_BACK_S = 120.0

    def _new_guide(self) -> Any:
        """Ray starts it again after a crash; where Ray has given up, this makes another of its name."""
        options = {"max_restarts": -1, "max_task_retries": -1, "get_if_exists": True}
        options |= guide_resources(beside_driver=self.config.storage.url is not None)
        actor = ray.remote(GuideActor).options(name=self.guide_name, **options)
        about = (self.place, self.run_id, self.base, self.config.scouting, self.meta)
        return actor.remote(self.layout, *about)

    def _new_scout(self) -> Any:
        threads, gpu = int(self.resources["num_cpus"]), self.resources["num_gpus"] > 0
        actor = ray.remote(ScoutActor).options(**self.resources)
        return actor.remote(self.layout, self.config, self.place, self.guide_name, threads, gpu)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
