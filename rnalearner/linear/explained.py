"""Which genes a linear classifier rests on, and what was known of them.

Shapes: n training samples, g genes of the classifier, c classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from rnalearner.linear.guided import GuidedLinear

COLUMNS = ("class", "rank", "gene", "symbol", "weight", "guide", "effect", "share")


def used_genes(
    model: GuidedLinear,
    x_ng: np.ndarray,
    y_n: np.ndarray,
    classes: Sequence[str],
    symbols: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """A row a gene whose weight is not 0, the most important first; of c > 2 classes, a list for each.

    `x_ng` is log2(CPM + 1) of the training samples, columns as `model.genes`. `class`: the one that a
    positive weight speaks for. `weight`: of one doubling of the CPM. `guide`: what the gene guide said,
    1 being an average gene; NaN where it knew nothing. `effect`: difference of the class's mean from
    the others' in the training samples. `share`: weight times effect, as a part of the distance
    between the mean scores of the two sides, which is what importance means here; shares sum to 1.
    """
    of_interest = [1] if len(classes) == 2 else range(len(classes))
    tables = []
    for row, number in enumerate(of_interest):
        weight_g, of_class_n = model.weight_cg[row], y_n == number
        # A gene that no sample of a side measured was given no weight.
        effect_g = _mean(x_ng[of_class_n]) - _mean(x_ng[~of_class_n])
        part_g = np.nan_to_num(weight_g * effect_g)
        used = np.flatnonzero(weight_g)
        used = used[np.lexsort((-np.abs(weight_g[used]), -np.abs(part_g[used])))]
        genes = [model.genes[g] for g in used]
        tables.append(
            pd.DataFrame(
                {
                    "class": classes[number],
                    "rank": np.arange(1, len(used) + 1),
                    "gene": genes,
                    "symbol": [(symbols or {}).get(gene, "") for gene in genes],
                    "weight": weight_g[used],
                    "guide": model.guide_g[used],
                    "effect": effect_g[used],
                    "share": part_g[used] / part_g.sum() if part_g.sum() > 0 else np.nan,
                },
                columns=list(COLUMNS),
            )
        )
    return pd.concat(tables, ignore_index=True)


def _mean(x_ng: np.ndarray) -> np.ndarray:
    """Of the samples that measured a gene; NaN where none did."""
    measured_g = (~np.isnan(x_ng)).sum(0)
    return np.where(measured_g > 0, np.nansum(x_ng, axis=0) / np.maximum(measured_g, 1), np.nan)
