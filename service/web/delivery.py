"""What a job left in its folder, for its owner: what its manifest lists, and its log."""

import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from rnalearner.layout import AttemptLayout, RunLayout
from service.problems import ProblemError
from service.schemas.jobs import TERMINAL, JobResults, ResultFile

_PIECE = 1 << 16


class _File(BaseModel):
    path: str
    bytes: int
    sha256: str


class _Manifest(BaseModel):
    """The part of result.json that its owner sees."""

    figures: dict[str, Any] = {}
    files: list[_File] = []


def results(folder: Path, job: Any) -> JobResults:
    """What the job's last attempt made; raises ProblemError 409 unless it has SUCCEEDED."""
    if job["status"] != "SUCCEEDED":
        raise _nothing(job)
    base = f"/v1/jobs/{job['id']}/results"
    try:
        manifest = _Manifest.model_validate_json(
            RunLayout(folder).attempt(job["attempt"]).result.read_bytes()
        )
        files = [ResultFile(**vars(file), link=f"{base}/{quote(file.path)}") for file in manifest.files]
    except (OSError, ValidationError):
        raise _gone(f"job {job['id']}", "no longer has its results") from None
    return JobResults(figures=manifest.figures, files=files)


def result_file(folder: Path, made: JobResults, path: str) -> tuple[Path, ResultFile]:
    """One listed file and where it lies.

    Raises ProblemError: 404 for what is not listed, 410 for what is not as the manifest says, or lies
    elsewhere.
    """
    listed = next((file for file in made.files if file.path == path), None)
    if listed is None:
        what, remedy = "is not among the results", "list them: GET .../results"
        raise ProblemError(404, "no-such-result", f"file {path}", what, remedy)
    place = folder / path
    try:
        inside = place.resolve(strict=True).is_relative_to(folder.resolve())
        whole = place.is_file() and place.stat().st_size == listed.bytes
    except (OSError, ValueError):
        inside = whole = False
    if not (inside and whole):
        raise _gone(f"file {path}", "is no longer as it was made")
    return place, listed


def media_type(path: str) -> str:
    """By its name; text is UTF-8, whatever the job wrote."""
    guessed = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed


def log_pieces(attempt: AttemptLayout, tail: int | None) -> Iterator[bytes] | None:
    """The log as far as it is written now, or its last `tail` lines; None where there is none."""
    return _pieces(attempt.log, tail) if attempt.log.is_file() else None


def _pieces(log: Path, tail: int | None) -> Iterator[bytes]:
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(0 if tail is None else _start_of(file, end, tail))
        left = end - file.tell()
        while left > 0 and (piece := file.read(min(_PIECE, left))):
            left -= len(piece)
            yield piece


def _start_of(file: BinaryIO, end: int, lines: int) -> int:
    """Where the last `lines` lines begin, found from the end: a log may be long."""
    start, found = end, 0
    while start > 0:
        size = min(_PIECE, start)
        start -= size
        file.seek(start)
        piece = file.read(size)
        # The very last character ends a line, it begins none.
        at = len(piece) - 1 if start + size == end else len(piece)
        while (at := piece.rfind(b"\n", 0, at)) >= 0:
            found += 1
            if found == lines:
                return start + at + 1
    return 0


def _nothing(job: Any) -> ProblemError:
    where = f"job {job['id']}"
    if job["status"] not in TERMINAL:
        what, remedy = f"is {job['status']}: it has no results yet", "ask again when it has SUCCEEDED"
        return ProblemError(409, "job-not-over", where, what, remedy, headers={"Retry-After": "5"})
    error = job["error"] or {}
    what = f"is {job['status']} and has no results"
    why = f" ({error['where']}: {error['what']})" if error else ""
    remedy = error.get("remedy", "retry it")
    return ProblemError(409, "job-not-succeeded", where, what + why, remedy)


def _gone(where: str, what: str) -> ProblemError:
    return ProblemError(410, "result-gone", where, what, "submit the job again")
