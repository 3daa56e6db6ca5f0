"""Pieces: what a benchmark scores, stores and resumes as one.

A piece is some arms on one task at one k, for some draws and seeds. Its rows depend on nothing else that
is asked, so that more draws, seeds or arms only add pieces. A stored piece counts again wherever its basis
(task, files, run, settings) is the same.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from rnalearner.benchmark.results import join_results, read_results, results_table, write_results
from rnalearner.benchmark.tasks import BenchmarkTask
from rnalearner.errors import RecipeError
from rnalearner.publish import write_json

Kind = Literal["linear", "guided", "encoder"]
"""Learned from the draw alone; behind a run's gene guide; fine-tuned from a run's encoder."""
Unit = tuple[str, int, int]
"""Arm, draw, seed."""


@dataclass(frozen=True)
class Piece:
    """Some arms on one task and k: arms x draws x seeds."""

    kind: Kind
    task: BenchmarkTask
    k: int
    arms: tuple[str, ...]
    draws: tuple[int, ...]
    seeds: tuple[int, ...]
    basis: str
    """Fingerprint of all else that its rows depend on."""
    run: Path | None = None
    """Folder of the run that its arms start from."""

    @property
    def run_folder(self) -> Path:
        if self.run is None:
            raise RecipeError(str(self), "starts from a run, and none was given", "give --runs")
        return self.run

    @property
    def units(self) -> set[Unit]:
        return {(arm, draw, seed) for arm in self.arms for draw in self.draws for seed in self.seeds}

    @property
    def prefix(self) -> str:
        """Begins the file names of all pieces of the same task, k and basis."""
        task = re.sub("[^A-Za-z0-9_]", "-", self.task.name)  # a name is the table's to choose
        return f"{task}-k{self.k}-{self.kind}-{self.basis[:16]}"

    @property
    def key(self) -> str:
        own = fingerprint({"arms": self.arms, "draws": self.draws, "seeds": self.seeds})
        return f"{self.prefix}-{own[:8]}"

    def __str__(self) -> str:
        return f"{self.task.name}, k = {self.k}, {self.kind}"


def fingerprint(parts: Mapping[str, Any]) -> str:
    """Hash of anything that JSON can say."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class PieceStore:
    """A folder of finished pieces: <key>.csv holds the rows; <key>.json, written last, what they cover."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, piece: Piece, rows: pd.DataFrame, told: Mapping[str, Any]) -> None:
        """`told` stands in the JSON, too: how long it took, and on what."""
        write_results(self.folder / f"{piece.key}.csv", join_results([rows]))
        named = {"task": piece.task.name, "run": None if piece.run is None else piece.run.name}
        write_json(self.folder / f"{piece.key}.json", {**asdict(piece), **named, **told})

    def missing(self, asked: Piece, most_draws: int) -> Iterator[Piece]:
        """What is left of `asked`, in pieces of at most `most_draws` draws."""
        covered = {unit for piece, _ in self._stored(asked) for unit in piece.units}
        left = asked.units - covered
        for i in range(0, len(asked.draws), most_draws):
            own = {unit for unit in left if unit[1] in asked.draws[i : i + most_draws]}
            if own:
                arms, draws, seeds = (set(names) for names in zip(*own, strict=True))
                yield replace(
                    asked,
                    arms=tuple(arm for arm in asked.arms if arm in arms),
                    draws=tuple(sorted(draws)),
                    seeds=tuple(sorted(seeds)),
                )

    def rows(self, asked: Piece) -> pd.DataFrame | None:
        """The stored rows of what was asked; None where some are missing."""
        stored = self._stored(asked)
        if asked.units - {unit for piece, _ in stored for unit in piece.units}:
            return None
        tables = [read_results(self.folder / f"{piece.key}.csv") for piece, _ in stored]
        # An arm may have nothing to say of a task: its piece is done, and has no row.
        tables = [table for table in tables if len(table)] or [results_table([])]
        found = pd.concat(tables, ignore_index=True).drop_duplicates(["arm", "centred", "draw", "seed"])
        wanted = (
            found["arm"].isin(asked.arms) & found["draw"].isin(asked.draws) & found["seed"].isin(asked.seeds)
        )
        return found[wanted].reset_index(drop=True)

    def gathered(self, asked: Sequence[Piece]) -> tuple[pd.DataFrame, list[tuple[str, int]]]:
        """The rows of every task and k that is complete, and those (task, k) that are not.

        Half of a task's arms would be compared over other tasks than the other half.
        """
        rows = [(piece, self.rows(piece)) for piece in asked]
        waiting = list(dict.fromkeys((p.task.name, p.k) for p, found in rows if found is None))
        complete = [found for p, found in rows if found is not None and (p.task.name, p.k) not in waiting]
        return join_results(complete), waiting

    def told(self, asked: Sequence[Piece]) -> list[dict[str, Any]]:
        """What was told of the stored pieces that hold some of what was asked, each once."""
        found = {
            stored.key: told
            for piece in asked
            for stored, told in self._stored(piece)
            if stored.units & piece.units
        }
        return list(found.values())

    def _stored(self, asked: Piece) -> list[tuple[Piece, dict[str, Any]]]:
        found = []
        for path in sorted(self.folder.glob(f"{asked.prefix}-*.json")):
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["basis"] == asked.basis:
                arms, draws, seeds = (tuple(told[name]) for name in ("arms", "draws", "seeds"))
                found.append((replace(asked, arms=arms, draws=draws, seeds=seeds), told))
        return found
