"""What an attempt left in the job's folder, read with distrust: it may be half written, or garbage."""

import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from rnalearner.layout import AttemptLayout, RunLayout
from service.schemas.base import Fault

MOST_BYTES = 1 << 20
"""Of events, at one look; a line that is longer is garbage."""
_LARGEST = 2**53
_YEAR_3000 = 32_503_680_000


class ResultFile(BaseModel):
    path: str
    bytes: int


class Manifest(BaseModel):
    """How an attempt says that it ended, and what it made."""

    attempt: int
    status: Literal["SUCCEEDED", "FAILED", "STOPPED"]
    cause: Literal["user", "system"] | None = None
    error: Fault | None = None
    files: list[ResultFile] = []


@dataclass(frozen=True)
class Line:
    """One line of the job's own events that its history keeps."""

    at: float
    kind: Literal["started", "phase", "progress"]
    data: dict[str, Any]


class _Progress(BaseModel):
    label: str = Field(max_length=1000)
    done: int = Field(ge=0, le=_LARGEST)
    total: int = Field(ge=0, le=_LARGEST)
    note: str = Field("", max_length=1000)
    figures: dict[str, float] | None = None


class _Phase(BaseModel):
    name: str = Field(max_length=1000)
    state: Literal["running", "done", "complete"]


def read_manifest(run: RunLayout, attempt: int) -> Manifest | None:
    """The attempt's result, None where there is none (yet) that can be read.

    A success whose files are not all there, with their sizes, is the system's failure.
    """
    try:
        manifest = Manifest.model_validate_json(run.attempt(attempt).result.read_bytes())
    except (OSError, ValidationError):
        return None
    if manifest.attempt != attempt:
        return None
    if manifest.status == "SUCCEEDED":
        for file in manifest.files:
            if not _is_whole(run.root, file):
                fault = Fault(
                    where=file.path, what="a result is missing or has another size", remedy="retry the job"
                )
                return Manifest(attempt=attempt, status="FAILED", cause="system", error=fault)
    return manifest


def read_beat(attempt: AttemptLayout) -> int | None:
    """The heartbeat's number, from 1; None before the first."""
    try:
        beat = json.loads(attempt.heartbeat.read_bytes())["beat"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return beat if isinstance(beat, int) and 0 < beat < 1 << 62 else None


def read_lines(attempt: AttemptLayout, offset: int) -> tuple[list[Line], int]:
    """The whole lines after `offset` bytes, without what is garbage, and the offset after them.

    The last line may still be being written: it is taken once its end is there. `ended` is left out:
    how a job ended is for its manifest to say.
    """
    try:
        with attempt.events.open("rb") as file:
            file.seek(offset)
            piece = file.read(MOST_BYTES)
    except OSError:
        return [], offset
    end = piece.rfind(b"\n") + 1
    if end == 0 and len(piece) == MOST_BYTES:
        return [], offset + MOST_BYTES
    lines = [line for raw in piece[:end].split(b"\n") if (line := _line(raw)) is not None]
    return lines, offset + end


def _line(raw: bytes) -> Line | None:
    try:
        value = json.loads(raw, parse_constant=_refuse, parse_float=_finite)
        at, kind, data = float(value["at"]), value["kind"], value["data"]
        if not 0 <= at < _YEAR_3000:
            return None
        if kind == "progress":
            data = _Progress.model_validate(data).model_dump(exclude_none=True)
        elif kind == "phase":
            _Phase.model_validate(data)
        elif kind != "started" or not isinstance(data, dict):
            return None
        # A lone surrogate can be stored, but never be sent.
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    return Line(at, kind, data)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(number)
    return value


def _is_whole(root: Path, file: ResultFile) -> bool:
    path = PurePosixPath(file.path)
    if path.is_absolute() or ".." in path.parts:
        return False
    try:
        stat = (root / path).stat()
        return S_ISREG(stat.st_mode) and stat.st_size == file.bytes
    except OSError:
        return False
