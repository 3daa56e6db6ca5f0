"""A sample of samples in which no study hides the others. Shapes: n samples."""

import numpy as np


def stratified_rows(groups_n: np.ndarray, n_drawn: int, rng: np.random.Generator) -> np.ndarray:
    """Ascending places of `n_drawn` samples at most: as many of each group, or all that a small one has."""
    n = len(groups_n)
    if n <= n_drawn:
        return np.arange(n)
    _, group_n = np.unique(groups_n, return_inverse=True)
    order = rng.permutation(n)
    by_group = order[np.argsort(group_n[order], kind="stable")]
    sizes = np.bincount(group_n)
    turn_n = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # how many of its group come before
    # Every group gives one in each turn; in the last turn, which is not complete, chance says which do.
    turns = np.lexsort((rng.random(n), turn_n))
    return np.sort(by_group[turns[:n_drawn]])
