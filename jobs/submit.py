"""A verb as a job of somebody's cluster: sent there, and followed by what it writes of itself."""

import json
import secrets
import time
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from cluster.submission import RayJobs
from jobs.options import resolved, take_recipe
from jobs.phase import Progress
from jobs.progress import shown_progress
from jobs.record import BEAT_S, next_attempt
from rnalearner.config import RunConfig
from rnalearner.config.section import Section
from rnalearner.errors import ClusterError, RecipeError
from rnalearner.layout import RunLayout
from rnalearner.publish import write_text
from service.jobs.attempt import read_beat, read_lines
from service.submitter import JobSubmitter

POLL_S = 0.5
QUIET_S = 3 * BEAT_S
"""After so much silence the cluster is asked whether the job lives."""
LOST_S = 60.0
"""After so much silence a job that had begun is dead, whatever the cluster says."""


@dataclass(frozen=True)
class Job:
    """What was submitted, where."""

    id: str
    attempt: int
    layout: RunLayout
    cluster: JobSubmitter


def submitted(
    words: Sequence[str],
    verbs: Container[str],
    address: str,
    out: Path | None,
    with_needs: bool = False,
    source: Path | None = None,
) -> Job:
    """Resolve the recipe here, write it to the run's folder, and submit the verb that `words` begin with.

    Raises RecipeError, and ClusterError where the cluster does not answer, or answers anybody.
    """
    verb, words = take_recipe(words)
    if str(verb) not in verbs:
        raise RecipeError(verb or "submit", "is no verb", "see `rnalearner --help` for those there are")
    config = _absolute(resolved(words, out))
    layout = RunLayout((out or Path("runs") / config.name).resolve())
    cluster = RayJobs(address)
    cluster.check()
    attempt = next_attempt(layout)
    write_text(layout.recipe, config.model_dump_json(indent=2) + "\n")
    # By chance, not by the run's name: a folder made anew must not meet the job of the old one.
    job = Job(f"{config.name}-{secrets.token_hex(4)}-{attempt}", attempt, layout, cluster)
    options = ["--out", str(layout.root), "--attempt", str(attempt), "--ray.address", "auto"]
    options += ["--needs"] if with_needs else []
    options += ["--from", str(source.resolve())] if source is not None else []
    cluster.submit(job.id, [str(verb), str(layout.recipe), *options], layout.root)
    return job


def followed(job: Job) -> dict[str, Any]:
    """Show a job's progress until it has ended; returns its result. Raises ClusterError where it died.

    Ctrl-C ends the following, not the job.
    """
    try:
        with shown_progress() as progress:
            return _result(job, progress)
    except KeyboardInterrupt:
        typer.echo(f"{job.id} goes on in {job.layout.root}", err=True)
        raise


def exit_code(result: dict[str, Any]) -> int:
    """What the command itself ended with, by its result."""
    if result["status"] == "FAILED":
        return 3 if result["cause"] == "user" else 1
    return 0 if result["status"] == "SUCCEEDED" else 130


def _result(job: Job, progress: Progress) -> dict[str, Any]:
    paths = job.layout.attempt(job.attempt)
    offset, beat, heard = 0, None, time.monotonic()
    while True:
        ended = paths.result.exists()  # asked first: then the lines below are all there are
        lines, offset = read_lines(paths, offset)
        for line in lines:
            if line.kind == "progress":
                progress(**line.data)
        if ended:
            result: dict[str, Any] = json.loads(paths.result.read_text(encoding="utf-8"))
            return result
        if read_beat(paths) != beat:
            beat, heard = read_beat(paths), time.monotonic()
        silent_s = time.monotonic() - heard
        if silent_s > QUIET_S:
            _check_alive(job, silent_s, begun=beat is not None)
        time.sleep(POLL_S)


def _check_alive(job: Job, silent_s: float, begun: bool) -> None:
    """Raises ClusterError for a silent job that Ray, too, takes for ended, or that is silent for long."""
    lost = begun and silent_s > LOST_S
    try:
        status = job.cluster.status(job.id)
    except ClusterError:
        if lost:
            raise
        return
    if lost or status not in ("PENDING", "RUNNING"):
        what = f"died without a result (Ray says {status or 'nothing'} of it{_last_words(job)})"
        raise ClusterError(job.id, what, "submit it again to go on from what it has completed")


def _last_words(job: Job) -> str:
    with suppress(ClusterError):
        lines = job.cluster.logs(job.id).strip().splitlines()
        return f"; its last line: {lines[-1][:200]}" if lines else ""
    return ""


def _absolute(config: RunConfig) -> RunConfig:
    """The recipe with paths that mean the same in whatever folder the job starts."""
    return config.model_copy(
        update={
            "data": _resolved(config.data, "root"),
            "gene2vec": _resolved(config.gene2vec, "path"),
            "predict": _resolved(config.predict, "run", "table", "sheet", "genes"),
        }
    )


def _resolved(section: Section, *names: str) -> Section:
    paths = {name: getattr(section, name) for name in names}
    return section.model_copy(
        update={name: path.resolve() for name, path in paths.items() if path is not None}
    )
