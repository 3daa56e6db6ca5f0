"""A compendium folder of toy studies: thirty genes, the first six louder in samples labelled `ill`."""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

GENES = tuple(f"ENSMUSG{g:011d}" for g in range(1, 31))
HEADER = "task,study,column,positive,negative,family\n"


def write_compendium(
    folder: Path, studies: Mapping[str, tuple[Sequence[str], Sequence[str]]], tasks: str = "", fold: float = 8
) -> Path:
    """`studies`: name -> (labels, subjects), a sample each, named <study>-<place>; `tasks`: lines of CSV.

    Each study's counts depend on its name and size alone; `fold`: how much louder genes are in `ill`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sheet = []
    for study, (labels, subjects) in studies.items():
        rng = np.random.default_rng(list(study.encode()))
        counts_ng = rng.poisson(rng.uniform(40, 900, len(GENES)), (len(labels), len(GENES)))
        counts_ng[np.array(labels) == "ill", :6] *= int(fold)
        names = [f"{study}-{place}" for place in range(len(labels))]
        write_counts(folder, study, pd.DataFrame(counts_ng.T, index=GENES, columns=names))
        sheet.append(pd.DataFrame({"sample": names, "study": study, "label": labels, "subject": subjects}))
    pd.concat(sheet).to_csv(folder / "samples.csv", index=False)
    (folder / "tasks.csv").write_text(HEADER + tasks)
    return folder


def write_counts(folder: Path, study: str, genes_by_samples: pd.DataFrame) -> None:
    with gzip.open(folder / f"{study}.tsv.gz", "wt") as file:
        genes_by_samples.to_csv(file, sep="\t", index_label="gene_id")


def groups(n_each: int, prefix: str) -> tuple[list[str], list[str]]:
    """Labels of `n_each` ill and as many well samples, each of a subject of its own."""
    return ["ill", "well"] * n_each, [f"{prefix}{i}" for i in range(2 * n_each)]
