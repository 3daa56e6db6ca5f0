"""Parts of a few samples, each held out once: where a setting is judged without the test side.

Shapes: n samples, s subjects, c classes, k parts.
"""

from collections.abc import Sequence

import numpy as np

from rnalearner.errors import RecipeError

_DEALT = 2000
"""Subjects dealt in all, over and over, to find the fairest deal: hundreds of deals of a dozen samples."""


def held_out_parts(
    y_n: np.ndarray, subjects: Sequence[str], k: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Rows of `k` parts that hold every sample once; a subject ("" is one of its own) is never cut.

    Centring takes a held-out part's own mean away, which hides a class from a part that holds no other,
    and shifts all classes in a part of other proportions than the training samples: so the fairest deal
    is the one that leaves the fewest classes out of parts, then with proportions nearest to the whole,
    then with the most even sizes. Raises RecipeError where a part would hold fewer than two samples, or
    the samples outside a part would lack a class.
    """
    y_n = np.asarray(y_n)
    names = np.array([subject or f"\0{i}" for i, subject in enumerate(subjects)])
    _, subject_n = np.unique(names, return_inverse=True)
    n_subjects, n_classes = int(subject_n.max()) + 1, int(y_n.max()) + 1
    counts_sc = np.zeros((n_subjects, n_classes), dtype=int)
    np.add.at(counts_sc, (subject_n, y_n), 1)
    total_c = counts_sc.sum(0)
    deals = (_deal(counts_sc, k, rng) for _ in range(max(20, _DEALT // n_subjects)))
    unfairness, best_s = min(
        ((_unfairness(_by_part(counts_sc, part_s, k), total_c), part_s) for part_s in deals),
        key=lambda judged: judged[0],
    )
    tiny, unlearnt = unfairness[:2]
    if tiny or unlearnt:
        what = f"{len(y_n)} training samples of {n_subjects} subjects do not make {k} parts of two or more"
        if not tiny:
            what = f"without one of {k} parts, the training samples would lack a class"
        raise RecipeError("tune.folds", what, "lower it, or set tune.objective to validation")
    return [np.flatnonzero(best_s[subject_n] == part) for part in range(k)]


def _deal(counts_sc: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """The part of each subject: larger ones first, each to a part that holds least of its classes."""
    order = rng.permutation(len(counts_sc))
    order = order[np.argsort(-counts_sc[order].sum(1), kind="stable")]
    part_s, counts_kc = np.empty(len(counts_sc), dtype=int), np.zeros((k, counts_sc.shape[1]), dtype=int)
    for subject in order:
        held_k = counts_kc @ (counts_sc[subject] > 0)
        part_s[subject] = rng.choice(np.flatnonzero(held_k == held_k.min()))
        counts_kc[part_s[subject]] += counts_sc[subject]
    return part_s


def _by_part(counts_sc: np.ndarray, part_s: np.ndarray, k: int) -> np.ndarray:
    counts_kc = np.zeros((k, counts_sc.shape[1]), dtype=int)
    np.add.at(counts_kc, part_s, counts_sc)
    return counts_kc


def _unfairness(counts_kc: np.ndarray, total_c: np.ndarray) -> tuple[int, int, int, float, int]:
    """What to have least of, the worst first: tiny parts, nothing to learn from, ..."""
    size_k = counts_kc.sum(1)
    share_kc = counts_kc / np.maximum(size_k, 1)[:, None]
    skew_k = np.square(share_kc - total_c / total_c.sum()).sum(1)
    tiny, unlearnt = int((size_k < 2).sum()), int((counts_kc == total_c).sum())
    return tiny, unlearnt, int((counts_kc == 0).sum()), float(size_k @ skew_k), int(np.ptp(size_k))
