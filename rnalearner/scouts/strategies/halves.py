"""Half of the genes chooses, the other half learns: nothing finds what it was told.

Shapes: n samples, g genes, c components.
"""

from collections.abc import Iterator

import numpy as np


def usable_genes(values_ng: np.ndarray) -> np.ndarray:
    """True for genes measured in all of these samples that vary over them, g."""
    spread_g = np.ptp(values_ng, axis=0) if len(values_ng) else np.zeros(values_ng.shape[1])
    return np.nan_to_num(spread_g) > 0


def halves(usable_g: np.ndarray, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """`n` halves of the usable genes, as masks g: a random half, then its complement, and so on.

    Because of the complements each gene chooses as often as it learns, where `n` is even.
    """
    genes = np.flatnonzero(usable_g)
    half_g = np.zeros(len(usable_g), bool)
    for number in range(n):
        if number % 2:
            half_g = usable_g & ~half_g
        else:
            half_g = np.zeros(len(usable_g), bool)
            half_g[rng.permutation(genes)[: (len(genes) + 1) // 2]] = True
        yield half_g


def components(values_ng: np.ndarray) -> np.ndarray:
    """Scores n x c of all principal components of the samples, of unit length, the first one first.

    A component's sign means nothing: the sample farthest out is positive.
    """
    centred_ng = values_ng.astype(np.float64)
    centred_ng -= centred_ng.mean(0)
    _, vectors_nc = np.linalg.eigh(centred_ng @ centred_ng.T)
    vectors_nc = vectors_nc[:, ::-1]  # eigh ascends
    farthest_c = np.abs(vectors_nc).argmax(0)
    return np.asarray(vectors_nc * np.sign(vectors_nc[farthest_c, np.arange(vectors_nc.shape[1])]))


def below_and_above_median(score_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the samples below and above the median of a score, ascending; the middle one is above."""
    order = np.argsort(score_n, kind="stable")
    return np.sort(order[: len(order) // 2]), np.sort(order[len(order) // 2 :])
