"""Contrasts inside one study, without labels: what a few-shot task looks like, unlike clusters.

Clusters of a corpus are tissues and laboratories; a guide from them spends its plasticity on
differences that no few-shot task asks about.
"""

from collections.abc import Callable

import numpy as np

from rnalearner.errors import RecipeError

N_COMPONENTS = 3
"""Components of a half of the genes that take turns in splitting a study."""
MAX_STUDY = 2000
"""Samples of a study that are looked at: their products are held, n x n."""


def within_study(
    rows_n: np.ndarray,
    studies_n: np.ndarray,
    read_values: Callable[[np.ndarray], np.ndarray],
    n_scouts: int,
    min_samples: int,
    max_samples: int,
    rng: np.random.Generator,
) -> tuple[list[tuple[str, np.ndarray, np.ndarray]], list[str]]:
    """Pairs of groups (name, rows a, rows b), and sentences on the studies that are too small.

    Centre the study, take a principal component of a random half of its genes, split the samples at
    its median. Studies take turns until there are `n_scouts` tasks, and each has one at least; the
    turns of a study go through its first three components, each of another half of the genes.
    Raises RecipeError where no study has `min_samples`.
    """
    studies, counts = np.unique(studies_n, return_counts=True)
    left_out = [
        f"study {study} did not scout: {n} samples, fewer than {min_samples}"
        for study, n in zip(studies, counts, strict=True)
        if n < min_samples
    ]
    eligible = studies[counts >= min_samples]
    if not len(eligible):
        raise RecipeError(
            "scouting",
            f"none of {len(studies)} studies has {min_samples} samples",
            "lower scouting.min_samples, or read more samples",
        )
    order = rng.permutation(eligible)
    n_tasks = max(n_scouts, len(order))
    by_turn: dict[tuple[int, int], tuple[str, np.ndarray, np.ndarray]] = {}
    for place, study in enumerate(order):  # by study, so that each is read once
        rows = rows_n[studies_n == study]
        most = min(max_samples, MAX_STUDY)
        rows = np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
        values_ng = _usable(read_values(rows))
        if values_ng.shape[1] < 2:
            left_out.append(f"study {study} did not scout: no two genes vary in it")
            continue
        for turn in range((n_tasks - place + len(order) - 1) // len(order)):
            component = turn % min(N_COMPONENTS, len(rows) - 1)
            low, high = _halves(values_ng, component, rng)
            by_turn[turn, place] = (f"{study}, component {component + 1}", rows[low], rows[high])
    if not by_turn:
        raise RecipeError("scouting", "no study has genes that vary", "read more samples")
    return [by_turn[key] for key in sorted(by_turn)], left_out


def _usable(values_ng: np.ndarray) -> np.ndarray:
    """Genes measured in every sample of the study that vary over it, centred."""
    centred_ng = values_ng - values_ng.mean(0)
    return centred_ng[:, np.nan_to_num(centred_ng.std(0)) > 0]


def _halves(values_ng: np.ndarray, component: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Samples below and above the median of a component of a random half of the genes, sorted."""
    n_genes = values_ng.shape[1]
    half_ng = values_ng[:, rng.permutation(n_genes)[: (n_genes + 1) // 2]].astype(np.float64)
    _, vectors_nc = np.linalg.eigh(half_ng @ half_ng.T)  # ascending: the last is the first component
    score_n = vectors_nc[:, -1 - component]
    score_n = score_n * np.sign(score_n[np.abs(score_n).argmax()])  # a component's sign means nothing
    order = np.argsort(score_n, kind="stable")
    return np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
