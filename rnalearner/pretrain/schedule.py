"""The learning rate as a pure function of the step."""

import math


def learning_rate(
    step: float, peak: float, warmup: float = 0, first_period: float = 1, period_mult: int = 1
) -> float:
    """Linear warm-up, then cosine annealing to 0 with warm restarts, at `step` (from 0).

    SGDR, equation 5 of Loshchilov & Hutter 2016 (arXiv:1608.03983), with a minimum of 0: period i
    is `first_period * period_mult**i` long. Units are the caller's: steps, or epochs with fractions.
    During warm-up the rate is `peak * (step + 1) / (warmup + 1)`, so that the first step moves.
    """
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    within, period = step - warmup, float(first_period)
    while within >= period:
        within, period = within - period, period * period_mult
    return peak * (1 + math.cos(math.pi * within / period)) / 2
