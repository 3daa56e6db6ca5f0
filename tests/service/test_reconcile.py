"""Every combination of what database, folder and cluster say about a job leads somewhere."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from service.jobs.attempt import Manifest
from service.jobs.reconcile import OVER, Action, Decision, Hint, Job, Limits, Signs, decide, needs_hint
from service.schemas.base import Fault

LIMITS = Limits(heartbeat_timeout_s=60, start_timeout_s=300, max_attempts=2, forced_stop_s=10)
FAULT = Fault(where="task t", what="has one class", remedy="name two groups")
HINTS: tuple[Hint, ...] = (
    "PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED", "UNKNOWN", "UNREACHABLE", None,
)  # fmt: skip
MANIFESTS = {
    "none": None,
    "older": Manifest(attempt=0, status="SUCCEEDED"),
    "succeeded": Manifest(attempt=1, status="SUCCEEDED"),
    "user": Manifest(attempt=1, status="FAILED", cause="user", error=FAULT),
    "system": Manifest(attempt=1, status="FAILED", cause="system", error=FAULT),
    "stopped": Manifest(attempt=1, status="STOPPED"),
}
SILENT_S = {"moving": 1.0, "quiet": 20.0, "stale": 100.0, "very stale": 400.0}
STOPPING_S = (None, 3.0, 11.0)

LOST = (Action.AGAIN, Action.END)


def combinations() -> Iterator[tuple[Job, Signs, Hint]]:
    """28,000 or so: how the row stands x manifest x heartbeat x watch x stop x hint."""
    where = (("PENDING", True, True), ("RUNNING", True, True), ("PENDING", True, False))
    for (status, claimed, taken), attempt, cancel in product(where, (1, 2), (True, False)):
        job = Job(status, attempt, claimed, taken, cancel)
        for manifest, began, silent_s, watched_s, stopping_s, hint in product(
            MANIFESTS.values(), (True, False), SILENT_S.values(), (1.0, 1000.0), STOPPING_S, HINTS
        ):
            if manifest is not None and manifest.attempt == 1:
                manifest = manifest.model_copy(update={"attempt": attempt})
            yield job, Signs(manifest, began, silent_s, watched_s, stopping_s), hint


def own(job: Job, signs: Signs) -> Manifest | None:
    return signs.manifest if signs.manifest and signs.manifest.attempt == job.attempt else None


def judge(job: Job, signs: Signs, hint: Hint) -> Decision:
    return decide(job, signs, hint, LIMITS)


def test_a_manifest_of_this_attempt_decides_whatever_else_is_said() -> None:
    told: dict[tuple[object, ...], set[tuple[object, ...]]] = {}
    for job, signs, hint in combinations():
        manifest = own(job, signs)
        if manifest is not None:
            about = (job.attempt, job.cancel, manifest.status, manifest.cause)
            decision = judge(job, signs, hint)
            told.setdefault(about, set()).add((decision.action, decision.status, decision.cause))
    assert all(len(decisions) == 1 for decisions in told.values())
    assert {about: decisions.pop() for about, decisions in told.items()} == {
        (attempt, cancel, *said): (
            (Action.END, *said)
            if said in {("SUCCEEDED", None), ("FAILED", "user")}
            else (Action.END, "STOPPED", None)
            if cancel
            else (Action.AGAIN, None, None)
            if attempt == 1
            else (Action.END, *said)
        )
        for attempt in (1, 2)
        for cancel in (True, False)
        for said in {(m.status, m.cause) for m in MANIFESTS.values() if m is not None}
    }


def test_a_failure_of_the_user_is_never_tried_again_and_keeps_its_words() -> None:
    for job, signs, hint in combinations():
        manifest = own(job, signs)
        if manifest is not None and manifest.cause == "user":
            decision = judge(job, signs, hint)
            assert (decision.action, decision.error) == (Action.END, FAULT)


def test_attempts_end() -> None:
    assert not any(
        judge(job, signs, hint).action is Action.AGAIN
        for job, signs, hint in combinations()
        if job.attempt == LIMITS.max_attempts
    )


def test_a_moving_heartbeat_is_never_declared_dead() -> None:
    for job, signs, hint in combinations():
        if signs.began and signs.silent_s < 2 and own(job, signs) is None and not job.cancel:
            assert judge(job, signs, hint).action in (Action.WAIT, Action.RUN), (job, signs, hint)


def test_an_unreachable_cluster_alone_kills_nothing() -> None:
    for job, signs, hint in combinations():
        if hint in ("UNREACHABLE", None) and own(job, signs) is None and not job.cancel:
            timeout_s = LIMITS.heartbeat_timeout_s if signs.began else LIMITS.start_timeout_s
            if signs.silent_s <= timeout_s:
                assert judge(job, signs, hint).action not in LOST, (job, signs, hint)


def test_never_two_live_attempts() -> None:
    """A new attempt needs a manifest of this one, or silence that was watched; a resubmission needs
    that this one neither began nor is known to have been taken."""
    for job, signs, hint in combinations():
        action = judge(job, signs, hint).action
        if action is Action.AGAIN and own(job, signs) is None:
            assert signs.silent_s > LIMITS.glance_s
            assert signs.watched_s > LIMITS.glance_s
        if action is Action.SUBMIT:
            assert not signs.began
            assert not job.taken
            assert own(job, signs) is None


def test_nobody_is_declared_dead_by_a_gateway_that_just_began_to_look() -> None:
    for job, signs, hint in combinations():
        if signs.watched_s < 2 and own(job, signs) is None and not job.cancel:
            assert judge(job, signs, hint).action not in LOST


def test_a_cancelled_job_is_asked_to_stop_then_declared_stopped_and_never_started() -> None:
    for job, signs, hint in combinations():
        if job.cancel and own(job, signs) is None:
            decision = judge(job, signs, hint)
            expected = {None: Action.STOP, 3.0: Action.WAIT, 11.0: Action.END}[signs.stopping_s]
            if expected is Action.WAIT and hint in OVER and not signs.began:
                expected = Action.END
            assert decision.action is expected
            assert decision.status == ("STOPPED" if expected is Action.END else None)


def test_no_combination_is_stuck_for_ever() -> None:
    """The facts stay as they are, decisions are carried out, time goes by: all silent jobs end.

    By itself a cluster that answers nothing can keep only what it has not taken yet.
    """
    for job, signs, hint in combinations():
        if signs.silent_s < 2 and signs.began:
            continue  # it lives: it may
        spent_s, decision = 0.0, judge(job, signs, hint)
        while decision.action is not Action.END:
            spent_s += 5
            assert spent_s < 2 * (LIMITS.start_timeout_s + LIMITS.glance_s) + 60, (job, signs, hint)
            signs = replace(signs, silent_s=signs.silent_s + 5, watched_s=signs.watched_s + 5)
            if signs.stopping_s is not None:
                signs = replace(signs, stopping_s=signs.stopping_s + 5)
            if decision.action is Action.STOP:
                signs = replace(signs, stopping_s=0.0)
            elif decision.action is Action.SUBMIT:
                job, signs = replace(job, taken=True), replace(signs, silent_s=0.0)
            elif decision.action is Action.RUN:
                job = replace(job, status="RUNNING", taken=True)
            elif decision.action is Action.AGAIN:
                job = replace(job, status="PENDING", attempt=job.attempt + 1, taken=False)
                signs = Signs(None, began=False, silent_s=0.0, watched_s=signs.watched_s)
            decision = judge(job, signs, hint)


@pytest.mark.parametrize("hint", sorted(OVER))
def test_a_dead_job_is_found_within_half_a_minute_of_a_restart_where_the_cluster_says_so(hint: Hint) -> None:
    signs = Signs(None, began=True, silent_s=3600, watched_s=LIMITS.glance_s + 1)
    decision = judge(Job("RUNNING", 2, claimed=True, taken=True, cancel=False), signs, hint)
    assert (decision.action, decision.status, decision.cause) == (Action.END, "FAILED", "system")
    assert decision.error is not None
    assert "was lost" in decision.error.what
    assert LIMITS.glance_s + 1 < 30


def test_a_dead_job_that_the_cluster_calls_running_is_found_as_fast_after_a_long_absence() -> None:
    signs = Signs(None, began=True, silent_s=3600, watched_s=LIMITS.glance_s + 1)
    assert (
        judge(Job("RUNNING", 1, claimed=True, taken=True, cancel=False), signs, "RUNNING").action
        is Action.AGAIN
    )


def test_the_cluster_is_not_asked_while_the_heartbeat_moves() -> None:
    for job, signs, _ in combinations():
        asked = needs_hint(signs, LIMITS)
        if not asked:
            assert len({judge(job, signs, hint).action for hint in HINTS}) == 1


def test_what_waits_in_the_queue_waits_and_is_over_once_cancelled() -> None:
    for _, signs, hint in combinations():
        if signs.manifest is None and not signs.began:
            waiting = Job("PENDING", 1, claimed=False, taken=False, cancel=False)
            assert judge(waiting, signs, hint).action is Action.WAIT
            cancelled = judge(replace(waiting, cancel=True), signs, hint)
            assert (cancelled.action, cancelled.status) == (Action.END, "STOPPED")
