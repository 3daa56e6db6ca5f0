"""From a score to a probability, where there are too few samples to hold any out."""

AT_ONE = 1.3
GROWTH = 0.42


def slope(k: int) -> float:
    """What a score is multiplied by to be a logit, at `k` samples of the rarest class; AT_ONE * k ** GROWTH.

    Scores have spread 1 over the training cohort. Of so few samples no draw can calibrate itself, so
    the numbers are the yardstick's: at k = 1, 2, 3 and 6 the log loss over its tuning tasks was least at
    1.34, 1.65, 1.97 and 2.82, much the same with a guide and without (docs/results.md).
    """
    return float(AT_ONE * k**GROWTH)
