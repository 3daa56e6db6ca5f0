"""A phase of a run: when it is complete, when it must run again, what it leaves behind."""

import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import rnalearner
from rnalearner.config import RunConfig
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout
from rnalearner.publish import sha256_of, write_json

Figures = dict[str, Any]


class Progress(Protocol):
    """Where a phase says how far it is: `label` names a bar, `note` stands beside it.

    `figures` are numbers worth a curve: a loss, an accuracy.
    """

    def __call__(
        self, label: str, done: int, total: int, note: str = "", figures: Mapping[str, float] | None = None
    ) -> None: ...


@dataclass(frozen=True)
class Phase:
    """One verb: what it reads of the recipe, which phases it builds on, and the work itself."""

    name: str
    sections: tuple[str, ...]
    """Sections of the recipe that its result depends on."""
    needs: Callable[[RunConfig], tuple[str, ...]]
    """Phases whose results it reads, by this recipe."""
    work: Callable[[RunConfig, RunLayout, Progress], Figures]
    inputs: Callable[[RunConfig], Iterable[Path]] = lambda config: ()
    """Files, and folders of files, that it reads from outside of the run."""
    also: Callable[[RunConfig], Mapping[str, Any]] = lambda config: {}
    """What of other sections its result depends on, by this recipe."""
    delivers: tuple[str, ...] = ()
    """What of its folder is a result for people, as globs; the rest is its own: shards, states."""
    spreads: bool = False
    """Its workers fetch what they need from `storage.url`; others read and write the run's folder by path,
    so with that URL all their work stays on this host."""


OnPhase = Callable[[str, str, Figures], None]
"""Told of a phase: its name, `running`, `done` or `complete` (before), and its marker, empty till then."""


def fingerprint(phase: Phase, phases: dict[str, Phase], config: RunConfig) -> str:
    """Hash of all that a phase's result depends on: its sections, and the phases before it."""
    dumped = config.model_dump(mode="json")
    parts = {
        "version": rnalearner.__version__,
        "phase": phase.name,
        "sections": {section: dumped[section] for section in phase.sections} | dict(phase.also(config)),
        "needs": {name: fingerprint(phases[name], phases, config) for name in phase.needs(config)},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def completed(phase: Phase, phases: dict[str, Phase], config: RunConfig, layout: RunLayout) -> Figures | None:
    """The marker of a phase that is complete for this recipe, else None.

    So must be all that it builds on, and made no later: a phase that ran again makes the later ones
    run again. So does an input with other bytes; one that is no longer there does not.
    """
    marker = _read(layout.marker(phase.name))
    if not isinstance(marker, dict) or marker.get("fingerprint") != fingerprint(phase, phases, config):
        return None
    inputs = inputs_of(phase, config)
    known = marker.get("inputs", inputs)
    if any(known.get(path) != checksum for path, checksum in inputs.items()):
        return None
    needs = _needs(phase, phases, config, layout)
    return marker if None not in needs.values() and marker.get("needs", needs) == needs else None


def delivered(phase: Phase, layout: RunLayout) -> list[Path]:
    """The files that a complete phase delivers, in order."""
    folder = layout.phase(phase.name)
    found = {path for pattern in phase.delivers for path in folder.glob(pattern)}
    own = (layout.marker(phase.name), folder / "started.json")
    hidden = {path for path in found if any(part.startswith(".") for part in path.relative_to(folder).parts)}
    return sorted(p for p in found - hidden if p.is_file() and not p.is_symlink() and p not in own)


def _clear(folder: Path, inputs: Iterable[Path]) -> None:
    """Remove all in `folder` but what the phase itself will read: what it once made may be its input."""
    kept = [path.resolve() for path in inputs]
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        if any(path.resolve() == one or path.resolve() in one.parents for one in kept):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def inputs_of(phase: Phase, config: RunConfig) -> dict[str, str]:
    """Path -> sha256 of every file that it reads from outside of the run."""
    return _checksums(phase.inputs(config))


def _checksums(inputs: Iterable[Path]) -> dict[str, str]:
    """Path -> sha256 of every file there is."""
    paths = [file for path in inputs for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    stats = {path: path.stat() for path in paths if path.is_file()}
    return {str(path): _checksum(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


@cache
def _checksum(path: Path, n_bytes: int, changed_ns: int) -> str:
    """Asked many times in a run: the file is read again only where its size or time is another."""
    return sha256_of(path)


def _needs(
    phase: Phase, phases: dict[str, Phase], config: RunConfig, layout: RunLayout
) -> dict[str, str | None]:
    """Which making of each phase it would build on; None where that is not complete."""
    markers = {name: completed(phases[name], phases, config, layout) for name in phase.needs(config)}
    return {name: None if marker is None else marker.get("made", "") for name, marker in markers.items()}


def _basis(phase: Phase, phases: dict[str, Phase], config: RunConfig, layout: RunLayout) -> dict[str, Any]:
    """What a phase is made of: what was begun with another is not gone on with."""
    needs = _needs(phase, phases, config, layout)
    return {"fingerprint": fingerprint(phase, phases, config), "needs": needs}


def run_phase(
    phase: Phase, phases: dict[str, Phase], config: RunConfig, layout: RunLayout, progress: Progress
) -> tuple[Figures, bool]:
    """Run a phase unless it is complete; returns its marker, and whether it ran.

    What an interrupted attempt left is kept, so that it can resume; what another recipe left, or
    was made from what earlier phases had before, is removed first. The marker is written last. With
    `storage.url` what another host did of it is taken over first, and what is complete is handed on.
    """
    from rnalearner.shared import hand_on

    _take_over(phase, phases, config, layout)
    done = completed(phase, phases, config, layout)
    if done is not None:
        hand_on(layout, config.storage, [phase.name])
        return done, False
    basis = _basis(phase, phases, config, layout)
    for name in phase.needs(config):
        if basis["needs"][name] is None:
            what = f"{phase.name} needs {name}, which is not complete for this recipe"
            raise RecipeError(layout.root, what, f"run `rnalearner {name}` or `rnalearner run` first")
    started = layout.phase(phase.name) / "started.json"
    if _read(started) != basis or layout.marker(phase.name).exists():
        _clear(layout.phase(phase.name), phase.inputs(config))
        write_json(started, basis)
    inputs = inputs_of(phase, config)
    begun = time.monotonic()
    figures = phase.work(config if phase.spreads else on_one_host(config), layout, progress)
    marker = {
        "phase": phase.name,
        **basis,
        "inputs": inputs,
        "made": uuid.uuid4().hex,
        "seconds": round(time.monotonic() - begun, 2),
        "figures": figures,
    }
    write_json(layout.marker(phase.name), marker)
    hand_on(layout, config.storage, [phase.name])
    return marker, True


def on_one_host(config: RunConfig) -> RunConfig:
    """The recipe for work that must not leave this host, where others do not see its disk."""
    if config.storage.url is None:
        return config
    return config.model_copy(update={"ray": config.ray.model_copy(update={"address": None})})


def _take_over(phase: Phase, phases: dict[str, Phase], config: RunConfig, layout: RunLayout) -> None:
    """Fetch what storage has of a phase that is not complete here, and of those before it, where it was
    begun with the same recipe and on the same phases; whole or not."""
    if config.storage.url is None or completed(phase, phases, config, layout) is not None:
        return
    from rnalearner.shared import fetch, read
    from rnalearner.storage import Storage

    for name in phase.needs(config):
        _take_over(phases[name], phases, config, layout)
    basis = _basis(phase, phases, config, layout)
    if json.loads(read(Storage(config.storage.url), phase.name, "started.json") or b"null") == basis:
        fetch(layout, config.storage, [phase.name])


def _read(path: Path) -> object:
    """A JSON file's value; None where there is none, or only half of one."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
