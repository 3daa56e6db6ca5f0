"""Random numbers that are a function of counters: nothing to store, nothing to restore."""

import zlib

import numpy as np


def counter_generator(seed: int, purpose: str, *counters: int) -> np.random.Generator:
    """A generator that depends on its arguments alone (each counter at least 0).

    `purpose` keeps uses apart that count alike: masks of training and of validation, thinning.
    """
    return np.random.default_rng([seed % 2**63, zlib.crc32(purpose.encode()), *counters])
