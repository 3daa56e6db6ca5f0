"""`predictions.h5ad`: what every arm says of every test sample, for scanpy and its kin."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from rnalearner.config import RunConfig
from rnalearner.publish import publish_file


def prediction_data(
    predictions: pd.DataFrame,
    config: RunConfig,
    values: pd.DataFrame | None = None,
    info: Mapping[str, Any] | None = None,
) -> anndata.AnnData:
    """The test samples of all tasks; obs names are "task|sample".

    obs: rnalearner_task, sample, study, subject, rnalearner_label (the true group's name),
    rnalearner_unseen_subject, and for each arm rnalearner_<arm>_probability (of the positive group,
    mean over seeds; NaN where the arm did not run) and rnalearner_<arm>_call (a group's name, "" there).
    `values` is log2(CPM + 1), rows named by sample and columns by Ensembl id; X is NaN for samples that
    it lacks, and has no genes without it. `info` goes into uns["rnalearner"] as JSON.
    """
    test = predictions[predictions["split"] == "test"]
    test = test.assign(name=test["task"] + "|" + test["sample"])
    first = test.drop_duplicates("name").set_index("name")
    obs = pd.DataFrame(
        {
            "rnalearner_task": first["task"],
            "sample": first["sample"],
            "study": first["study"],
            "subject": first["subject"],
            "rnalearner_label": _groups(first["task"], first["y"] > 0, config),
            "rnalearner_unseen_subject": first["unseen_subject"],
        }
    )
    for arm, group in test.groupby("arm", sort=False):
        probability = group.groupby("name")["probability"].mean().reindex(obs.index)
        obs[f"rnalearner_{arm}_probability"] = probability
        call = _groups(obs["rnalearner_task"], probability > 0.5, config)
        obs[f"rnalearner_{arm}_call"] = call.where(probability.notna(), "")
    texts = obs.columns[[not (pd.api.types.is_numeric_dtype(kind)) for kind in obs.dtypes]]
    obs = obs.astype(dict.fromkeys(texts, "category"))
    obs.index.name = None
    uns = {"rnalearner": json.dumps(dict(info or {"name": config.name}))}
    if values is None:
        return anndata.AnnData(obs=obs, uns=uns)
    x_ng = values.reindex(obs["sample"].astype(str)).to_numpy(np.float32)
    return anndata.AnnData(X=x_ng, obs=obs, var=pd.DataFrame(index=values.columns.astype(str)), uns=uns)


def write_predictions(path: Path, data: anndata.AnnData) -> None:
    """Write `data` compressed, whole or not at all."""
    with publish_file(path) as temporary:
        data.write_h5ad(temporary, compression="gzip")


def _groups(task: pd.Series, positive: pd.Series, config: RunConfig) -> pd.Series:
    """Names of the groups, as the task's labels spell them; several values of one group are joined."""
    names = {t.name: ("|".join(t.negative), "|".join(t.positive)) for t in config.tasks}
    pairs = zip(task, positive, strict=True)
    groups = [names.get(name, ("negative", "positive"))[int(is_positive)] for name, is_positive in pairs]
    return pd.Series(groups, index=task.index, dtype=object)
