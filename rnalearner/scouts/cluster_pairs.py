"""The published strategy: pairs of sample clusters, drawn so that none is left out."""

from itertools import combinations

import numpy as np

from rnalearner.errors import RecipeError


def cluster_pairs(
    rows_n: np.ndarray,
    labels_n: np.ndarray,
    n_scouts: int,
    min_samples: int,
    max_samples: int,
    rng: np.random.Generator,
) -> tuple[list[tuple[str, np.ndarray, np.ndarray]], list[str]]:
    """Pairs of groups (name, rows a, rows b), and sentences on the clusters that are too small.

    First a cover: every cluster is in one pair. Then further pairs, all distinct, up to `n_scouts`
    or to the number of pairs there are. Each side has `max_samples` / 2 samples at most.
    Raises RecipeError where fewer than two clusters have `min_samples`.
    """
    labels, counts = np.unique(labels_n, return_counts=True)
    left_out = [
        f"sample cluster {label} did not scout: {n} samples, fewer than {min_samples}"
        for label, n in zip(labels, counts, strict=True)
        if n < min_samples
    ]
    eligible = [int(label) for label in labels[counts >= min_samples]]
    if len(eligible) < 2:
        raise RecipeError(
            "scouting",
            f"{len(eligible)} of {len(labels)} sample clusters have {min_samples} samples, two are needed",
            "lower scouting.min_samples or clustering.k, or read more samples",
        )
    groups = []
    for a, b in _pairs(eligible, n_scouts, rng):
        side_a, side_b = (_capped(rows_n[labels_n == label], max_samples // 2, rng) for label in (a, b))
        groups.append((f"sample cluster {a} against {b}", side_a, side_b))
    return groups, left_out


def _pairs(clusters: list[int], n_scouts: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """A random cover of `clusters` by pairs, then random others, none twice."""
    shuffled = [int(label) for label in rng.permutation(clusters)]
    cover = [_pair(*shuffled[i : i + 2]) for i in range(0, len(shuffled) - 1, 2)]
    if len(shuffled) % 2:
        cover.append(_pair(shuffled[-1], int(rng.choice(shuffled[:-1]))))
    others = [pair for pair in combinations(sorted(clusters), 2) if pair not in cover]
    n_more = min(max(n_scouts - len(cover), 0), len(others))
    return cover + [others[i] for i in rng.choice(len(others), n_more, replace=False)] if n_more else cover


def _pair(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)


def _capped(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
