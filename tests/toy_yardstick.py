"""A compendium for the whole benchmark: simulated studies of four families, and two that no task asks of.

Genes move together in modules, in every study alike. The labels of the tasks shift one module, except in
`quiet`, whose labels say nothing.
"""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

N_GENES, N_MODULES, PER_STUDY = 120, 4, 16
EFFECT = {
    "alpha": 2.0,
    "beta": 2.5,
    "delta_1": 2.0,
    "delta_2": 2.0,
    "quiet": 0.0,
    "plain_1": 0.0,
    "plain_2": 0.0,
}
"""Study -> how far the treated samples' first module is shifted, in its own sd."""
TASKS = """task,study,column,positive,negative,family
alpha,alpha,label,treated,control,alpha
beta,beta,label,treated,control,beta
delta,delta_1->delta_2,label,treated,control,delta
quiet,quiet,label,treated,control,quiet
"""


def write_yardstick(folder: Path) -> Path:
    """Write samples.csv, tasks.csv and the studies; returns the path of the tasks."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    genes = pd.Index([f"ENSMUSG{g:011d}" for g in range(N_GENES)], name="gene_id")
    level_g = rng.uniform(4, 9, N_GENES)
    rows = []
    for study, effect in EFFECT.items():
        labels = ["control", "treated"] * (PER_STUDY // 2)
        activity_nk = rng.standard_normal((PER_STUDY, N_MODULES))
        activity_nk[1::2, 0] += effect
        noise_ng = rng.normal(0, 0.4, (PER_STUDY, N_GENES)) + rng.normal(0, 0.6, N_GENES)
        log2_ng = level_g + 0.7 * activity_nk[:, np.arange(N_GENES) % N_MODULES] + noise_ng
        names = [f"{study}_{i}" for i in range(PER_STUDY)]
        table = pd.DataFrame(rng.poisson(2**log2_ng).T, index=genes, columns=names)
        (folder / f"{study}.tsv.gz").write_bytes(gzip.compress(table.to_csv(sep="\t").encode(), mtime=0))
        rows += [(name, study, label, f"mouse_{name}") for name, label in zip(names, labels, strict=True)]
    sheet = pd.DataFrame(rows, columns=["sample", "study", "label", "subject"])
    sheet.to_csv(folder / "samples.csv", index=False)
    (folder / "tasks.csv").write_text(TASKS)
    return folder / "tasks.csv"
