"""A label against the others inside one study.

The corpus holds no study of a task, so no label of a test is seen.
"""

from collections.abc import Iterator

import numpy as np

from rnalearner.config.scouting import ContrastConfig
from rnalearner.errors import RecipeError
from rnalearner.scouts.contrast import Contrast, LeftOut
from rnalearner.scouts.samples import ScoutedSamples
from rnalearner.scouts.strategies.sizes import MIN_SIDE
from rnalearner.scouts.strategies.turns import turns


def labelled(
    samples: ScoutedSamples, config: ContrastConfig, n_contrasts: int, rng: np.random.Generator
) -> Iterator[Contrast | LeftOut]:
    """Each label of a study against its other labelled samples, in random order, within its share.

    Against all others and not pair by pair, because a study of twelve labels has three samples of each.
    Nobody chose these groups by expression, so every gene may learn. Samples without a label say
    nothing. Raises RecipeError where no study is large enough, or none has two labels.
    """
    found = False
    for turn in turns("study", samples.studies_n, samples.rows_n, config, n_contrasts, rng):
        if isinstance(turn, LeftOut):
            yield turn
            continue
        labels_n = samples.labels_n[turn.places_n]
        labels, counts = np.unique(labels_n[labels_n != ""], return_counts=True)
        n_labelled = counts.sum()
        usable = [
            label
            for label, n in zip(labels, counts, strict=True)
            if n >= MIN_SIDE and n_labelled - n >= MIN_SIDE
        ]
        if not usable:
            yield LeftOut(f"study {turn.name} did not scout: no two labels of {MIN_SIDE} samples each")
            continue
        found = True
        if len(labels) == 2:
            usable = usable[:1]  # the other one is the same contrast
        for number in rng.permutation(len(usable))[: turn.n_contrasts]:
            label = usable[number]
            rows_a, rows_b = turn.rows[labels_n == label], turn.rows[(labels_n != label) & (labels_n != "")]
            yield Contrast(f"{turn.name}, {label} against the rest", turn.name, rows_a, rows_b)
    if not found:
        what = f"no study has two labels in column {config.label_column} of its sheet"
        raise RecipeError("scouting", what, "name the column in label_column, or choose another strategy")
