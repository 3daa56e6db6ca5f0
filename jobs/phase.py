"""A phase of a run: when it is complete, when it must run again, what it leaves behind."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import rnalearner
from rnalearner.config import RunConfig
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout
from rnalearner.publish import write_json

Figures = dict[str, Any]


class Progress(Protocol):
    """Where a phase says how far it is: `label` names a bar, `note` stands beside it."""

    def __call__(self, label: str, done: int, total: int, note: str = "") -> None: ...


@dataclass(frozen=True)
class Phase:
    """One verb: what it reads of the recipe, which phases it builds on, and the work itself."""

    name: str
    sections: tuple[str, ...]
    """Sections of the recipe that its result depends on."""
    needs: tuple[str, ...]
    """Phases whose results it reads."""
    work: Callable[[RunConfig, RunLayout, Progress], Figures]


def fingerprint(phase: Phase, phases: dict[str, Phase], config: RunConfig) -> str:
    """Hash of all that a phase's result depends on: its sections, and the phases before it."""
    dumped = config.model_dump(mode="json")
    parts = {
        "version": rnalearner.__version__,
        "phase": phase.name,
        "sections": {section: dumped[section] for section in phase.sections},
        "needs": {name: fingerprint(phases[name], phases, config) for name in phase.needs},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def completed(layout: RunLayout, name: str, expected: str) -> Figures | None:
    """The marker of a phase that is complete with this fingerprint, else None."""
    try:
        marker: Figures = json.loads(layout.marker(name).read_text())
    except (OSError, ValueError):
        return None
    return marker if marker.get("fingerprint") == expected else None


def run_phase(
    phase: Phase, phases: dict[str, Phase], config: RunConfig, layout: RunLayout, progress: Progress
) -> tuple[Figures, bool]:
    """Run a phase unless it is complete; returns its marker, and whether it ran.

    What an interrupted attempt with the same fingerprint left is kept, so that it can resume; what
    another recipe left is removed first. The marker is written last.
    """
    expected = fingerprint(phase, phases, config)
    done = completed(layout, phase.name, expected)
    if done is not None:
        return done, False
    for name in phase.needs:
        if completed(layout, name, fingerprint(phases[name], phases, config)) is None:
            what = f"{phase.name} needs {name}, which is not complete for this recipe"
            raise RecipeError(layout.root, what, f"run `rnalearner {name}` or `rnalearner run` first")
    started = layout.phase(phase.name) / "started.json"
    if not started.exists() or json.loads(started.read_text()) != {"fingerprint": expected}:
        shutil.rmtree(layout.phase(phase.name), ignore_errors=True)
        write_json(started, {"fingerprint": expected})
    begun = time.monotonic()
    figures = phase.work(config, layout, progress)
    marker = {
        "phase": phase.name,
        "fingerprint": expected,
        "seconds": round(time.monotonic() - begun, 2),
        "figures": figures,
    }
    write_json(layout.marker(phase.name), marker)
    return marker, True
