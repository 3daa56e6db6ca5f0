"""What a scout is asked: to tell two groups of samples apart.

Shapes: n samples, g genes. Rows are global rows of the shards.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnalearner.config import ScoutingConfig
from rnalearner.scouts.cluster_pairs import cluster_pairs
from rnalearner.scouts.within_study import within_study


@dataclass(frozen=True, eq=False)
class ScoutTask:
    """Two groups of samples; `name` says in words which."""

    scout_id: int
    name: str
    rows_a: np.ndarray
    rows_b: np.ndarray


@dataclass(frozen=True)
class ScoutPlan:
    """The tasks of all scouts, and in words what could not scout."""

    tasks: tuple[ScoutTask, ...]
    left_out: tuple[str, ...]


def make_tasks(
    config: ScoutingConfig,
    rows_n: np.ndarray,
    labels_n: np.ndarray,
    studies_n: np.ndarray,
    read_values: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> ScoutPlan:
    """Plan the scouts over samples `rows_n` by the strategy of the recipe.

    `labels_n`: sample cluster of each row. `studies_n`: its study. `read_values`: rows to scaled
    expression n x g (NaN = not measured), as ShardStore.values. Raises RecipeError where no two
    groups are large enough.
    """
    sizes = (config.n_scouts, config.min_samples, config.max_samples)
    if config.strategy == "within_study":
        groups, left_out = within_study(rows_n, studies_n, read_values, *sizes, rng)
    else:
        groups, left_out = cluster_pairs(rows_n, labels_n, *sizes, rng)
    tasks = tuple(ScoutTask(i, name, rows_a, rows_b) for i, (name, rows_a, rows_b) in enumerate(groups))
    return ScoutPlan(tasks, tuple(left_out))


def split_task(
    task: ScoutTask, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hold out `share` of each side: (train rows, train y, held-out rows, held-out y), y 1 for side b.

    Either part has one sample of either side at least, so a side needs two.
    """
    train, held = [], []
    for rows in (task.rows_a, task.rows_b):
        if len(rows) < 2:
            raise ValueError(f"scout {task.scout_id} ({task.name}) has a side of fewer than two samples")
        shuffled = rng.permutation(rows)
        n_held = min(max(round(share * len(rows)), 1), len(rows) - 1)
        held.append(shuffled[:n_held])
        train.append(shuffled[n_held:])
    return *_labelled(train), *_labelled(held)


def _labelled(sides: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(sides), np.repeat(np.arange(2), [len(rows) for rows in sides])
