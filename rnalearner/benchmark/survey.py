"""What is known of a task before anything is learned: its draws, its size, its leaks."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rnalearner.benchmark.draws import draws, draws_table
from rnalearner.benchmark.leaks import corpus_leaks, side_leaks
from rnalearner.benchmark.tasks import LoadedTask
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout
from rnalearner.publish import write_json
from rnalearner.shards.corpus import corpus_rows
from rnalearner.shards.read import ShardStore

COLUMNS = ["task", "k", "draw", "train", "test"]
"""Of `draws_table`."""


@dataclass(frozen=True)
class Survey:
    """One task, JSON-ready."""

    task: str
    genes: int
    positive: int
    """Samples of the training side's positive group."""
    negative: int
    draws: list[dict[str, Any]]
    """Rows of `draws.csv`."""
    leaks: list[str]

    def numbers(self, k: int) -> tuple[int, ...]:
        """The draws of k samples a group; none where the task has too few samples."""
        return tuple(row["draw"] for row in self.draws if row["k"] == k)

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.draws, columns=COLUMNS)

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Survey | None":
        """None where it was not taken before."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None


def survey(
    loaded: LoadedTask, ks: Sequence[int], n_draws: int, run: RunLayout | None, config: RunConfig | None
) -> Survey:
    """Draw, and look for leaks: between the sides, and from the corpus of the run that is asked."""
    leaks = side_leaks(loaded)
    if run is not None and config is not None:
        store = ShardStore.open(run.shards)
        rows = corpus_rows(store.obs, config.tasks).rows
        leaks += corpus_leaks(store, rows, [loaded])[loaded.name]
    tables = [draws_table(loaded, k, draws(loaded, k, n_draws)) for k in ks]
    y_n = loaded.train.y_n
    return Survey(
        task=loaded.name,
        genes=len(loaded.genes),
        positive=int((y_n == 1).sum()),
        negative=int((y_n == 0).sum()),
        draws=[dict(zip(COLUMNS, row, strict=True)) for table in tables for row in table.to_numpy().tolist()],
        leaks=leaks,
    )
