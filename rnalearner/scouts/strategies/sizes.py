"""How many samples a side may have."""

import numpy as np

MIN_SIDE = 2
"""Samples of a side that a strategy finds by itself: one to learn from and one to be held out."""


def capped(rows: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """All `rows`, or `most` of them at random, ascending."""
    return np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
