"""What is seen of a few samples at once: which are alike, and what keeps them apart.

Pure numpy, and one pass over the counts. Shapes: n samples, g genes, k components, q directions.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rnalearner.preprocessing.normalize import log2p1_cpm

_GENES_AT_ONCE = 4096
_MOST_VALUES = 50
"""A grouping of more is none that a picture could show."""
_PERMUTATIONS, _ALPHA = 200, 0.05
_NOTHING = 1e-9
"""A share that is rounding."""


@dataclass(frozen=True)
class Similarity:
    """Inner products of profiles of log2(CPM + 1), from which both correlation and components come."""

    centred_nn: np.ndarray
    """Of profiles less each gene's mean over the samples."""
    correlation_nn: np.ndarray


@dataclass(frozen=True)
class Components:
    """Samples along principal components."""

    scores_nk: np.ndarray
    explained_k: np.ndarray
    """Share of the variance along each."""


@dataclass(frozen=True)
class Separation:
    """How far apart a grouping keeps the samples."""

    share: float
    """Omega squared along the components, of what the label leaves."""
    confounded: bool
    """It divides the samples just as the label does."""


def similarity(counts_ng: np.ndarray, total_n: np.ndarray) -> Similarity:
    """All pairs of samples, in one pass over the genes."""
    n = len(total_n)
    centred_nn, cross_n, sums_n, mean_square = np.zeros((n, n)), np.zeros(n), np.zeros(n), 0.0
    for start in range(0, counts_ng.shape[1], _GENES_AT_ONCE):
        x_ng = log2p1_cpm(counts_ng[:, start : start + _GENES_AT_ONCE], total_n)
        mean_g = x_ng.mean(axis=0)
        sums_n += x_ng.sum(axis=1, dtype=np.float64)
        # Without the means float32 is exact enough; what they add is linear, and is put back below.
        x_ng -= mean_g
        centred_nn += x_ng @ x_ng.T
        cross_n += x_ng @ mean_g
        mean_square += float(mean_g @ mean_g)
    whole_nn = centred_nn + cross_n[:, None] + cross_n + mean_square
    covariance_nn = whole_nn - np.outer(sums_n, sums_n) / max(1, counts_ng.shape[1])
    length_n = np.sqrt(np.maximum(np.diag(covariance_nn), 1e-12))
    return Similarity(centred_nn, np.clip(covariance_nn / np.outer(length_n, length_n), -1, 1))


def components(alike: Similarity, most: int = 3) -> Components:
    """Up to `most` components, the largest first; of each the farthest sample lies on the positive side."""
    value_n, vector_nn = np.linalg.eigh(alike.centred_nn)
    value_n, vector_nn = value_n[::-1], vector_nn[:, ::-1]
    whole = float(np.trace(alike.centred_nn))
    # One sample is no spread; and of profiles in float32 rounding leaves a millionth.
    k = int(np.sum(value_n[: min(most, len(value_n) - 1)] > max(1e-6 * whole, 1e-6)))
    scores_nk = vector_nn[:, :k] * np.sqrt(value_n[:k])
    farthest_k = np.abs(scores_nk).argmax(axis=0)
    scores_nk *= np.sign(scores_nk[farthest_k, np.arange(k)])
    return Components(scores_nk, value_n[:k] / max(whole, 1e-12))


def nearly_alike(alike: Similarity, above: float) -> list[tuple[int, int]]:
    """Pairs of samples whose profiles correlate above `above`."""
    rows, others = np.nonzero(np.triu(alike.correlation_nn > above, k=1))
    return list(zip(rows.tolist(), others.tolist(), strict=True))


def name_parts(names: Sequence[str]) -> dict[str, list[str]]:
    """Parts of the samples' names, where all names have equally many: at `_`, `.`, `-` and blanks, and
    where letters meet digits.

    `B1_FLT3` gives part 1 (`B1`), 2 (`FLT3`), 2.1 (`FLT`) and 2.2 (`3`). Parts that do not divide the
    samples into groups of two in the mean, or as another part does, are left out.
    """
    found: dict[str, list[str]] = {}
    for place, part_n in enumerate(_columns([re.split(r"[_.\- ]+", name) for name in names]), start=1):
        found[f"part {place} of the names"] = part_n
        pieces = _columns([re.findall(r"[^\W\d_]+|\d+", part) for part in part_n])
        if len(pieces) > 1:
            found |= {f"part {place}.{piece} of the names": own for piece, own in enumerate(pieces, start=1)}
    seen: set[tuple[int, ...]] = set()
    kept = {}
    for name, part_n in found.items():
        if divides(part_n) and partition(part_n) not in seen:
            kept[name] = part_n
            seen.add(partition(part_n))
    return kept


def partition(values_n: Sequence[str]) -> tuple[int, ...]:
    """The same for all that divide the samples alike, whatever they call the groups."""
    return tuple(_codes(values_n).tolist())


def divides(values_n: Sequence[str]) -> bool:
    """Whether every sample has a value, and two samples or more have each in the mean."""
    return "" not in values_n and 2 <= len(set(values_n)) <= min(_MOST_VALUES, len(values_n) // 2)


def separations(
    found: Components,
    groupings: Mapping[str, Sequence[str]],
    label_n: Sequence[str] | None,
    rng: np.random.Generator,
) -> tuple[dict[str, Separation], str | None]:
    """How far apart each grouping keeps the samples beyond what their label does, and the suspected batch.

    The share is omega squared (Hays, Statistics for Psychologists, 1963) with the sums of squares of all
    components taken together, as for permutational analysis of variance (Anderson, Austral Ecology 26,
    2001). The batch is the grouping with the largest share, if shuffling the samples within each label
    brings no grouping as far in 95 of 100 times: the largest share of all groupings is compared with the
    largest of all (Westfall and Young, 1993), since many groupings are many chances. Without labels none is
    suspected: what keeps samples apart may be just what their labels would say.
    """
    n = len(found.scores_nk)
    label = _codes(label_n if label_n is not None else [""] * n)
    left_nk = _less_means(found.scores_nk, label)
    bases = {name: _directions(values_n, label) for name, values_n in groupings.items()}
    told = {
        name: Separation(_omega(left_nk, base_nq, label), np.array_equal(_codes(groupings[name]), label))
        for name, base_nq in bases.items()
    }
    best = max(told, key=lambda name: told[name].share, default=None)
    if label_n is None or best is None or told[best].share <= 0:
        return told, None
    reached = 0
    for _ in range(_PERMUTATIONS):
        shuffled_nk = left_nk[_within(label, rng)]
        largest = max(_omega(shuffled_nk, base_nq, label) for base_nq in bases.values())
        reached += largest >= told[best].share - _NOTHING
    return told, best if (1 + reached) / (1 + _PERMUTATIONS) < _ALPHA else None


def _columns(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows turned into columns; none where their lengths differ."""
    if len({len(row) for row in rows}) != 1:
        return []
    return [list(column) for column in zip(*rows, strict=True)]


def _codes(values_n: Sequence[str]) -> np.ndarray:
    """Groups numbered as they come, so that one partition has one code."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(value, len(numbers)) for value in values_n], dtype=np.int64)


def _less_means(x_nk: np.ndarray, group_n: np.ndarray) -> np.ndarray:
    """What is left when each group's mean is taken away."""
    member_ng = np.eye(group_n.max(initial=-1) + 1)[group_n]
    means_gk = (member_ng.T @ x_nk) / np.maximum(member_ng.sum(axis=0), 1)[:, None]
    return np.asarray(x_nk - member_ng @ means_gk)


def _directions(values_n: Sequence[str], label_n: np.ndarray) -> np.ndarray:
    """Orthonormal directions, n x q, along which the groups differ and the labels do not."""
    codes = _codes(values_n)
    left_ng = _less_means(np.eye(codes.max(initial=-1) + 1)[codes], label_n)
    directions_nq, length_q, _ = np.linalg.svd(left_ng, full_matrices=False)
    return np.asarray(directions_nq[:, length_q > 1e-8])


def _omega(left_nk: np.ndarray, base_nq: np.ndarray, label_n: np.ndarray) -> float:
    """Omega squared of the directions; 0 where they are none, or leave no sample to compare with."""
    q = base_nq.shape[1]
    free = len(left_nk) - int(label_n.max(initial=-1)) - 1 - q
    whole = float(np.sum(left_nk**2))
    if q == 0 or free <= 0 or whole <= 0:
        return 0.0
    between = float(np.sum((base_nq.T @ left_nk) ** 2))
    error = max(0.0, whole - between) / free
    return max(0.0, (between - q * error) / (whole + error))


def _within(group_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order of the samples in which each stays among those of its group."""
    order_n = np.arange(len(group_n))
    for group in range(group_n.max(initial=-1) + 1):
        members = np.flatnonzero(group_n == group)
        order_n[members] = rng.permutation(members)
    return order_n
