"""`predictions.h5ad`: what every arm says of every scored sample, for scanpy and its kin."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from rnalearner.config import RunConfig
from rnalearner.publish import publish_file
from rnalearner.report.called import scored
from rnalearner.report.classes import class_columns, class_names
from rnalearner.report.names import plain


def prediction_data(
    predictions: pd.DataFrame,
    config: RunConfig,
    values: pd.DataFrame | None = None,
    info: Mapping[str, Any] | None = None,
) -> anndata.AnnData:
    """The scored samples of all tasks (of a test, else held out in turn); obs names are "task|sample".

    obs: rnalearner_task, sample, study, subject, rnalearner_label (the true group's name),
    rnalearner_unseen_subject, and for each arm rnalearner_<arm>_call (a group's name, "" where the arm
    did not run) and, mean over seeds, rnalearner_<arm>_probability (of the positive group) for tasks of
    two classes and rnalearner_<arm>_probability_<group> for those of more; NaN elsewhere.
    `values` is log2(CPM + 1), rows named by sample and columns by Ensembl id; X is NaN for samples that
    it lacks, and has no genes without it. `info` goes into uns["rnalearner"] as JSON.
    """
    test = scored(predictions)
    test = test.assign(name=test["task"] + "|" + test["sample"])
    first = test.drop_duplicates("name").set_index("name")
    obs = pd.DataFrame(
        {
            "rnalearner_task": first["task"],
            "sample": first["sample"],
            "study": first["study"],
            "subject": first["subject"],
            "rnalearner_label": "",
            "rnalearner_unseen_subject": first["unseen_subject"],
        }
    )
    for task, of_task in test.groupby("task", sort=False):
        p_columns = class_columns(of_task)
        groups = class_names(config, str(task), len(p_columns))
        own = obs.index[obs["rnalearner_task"] == task]
        obs.loc[own, "rnalearner_label"] = [groups[y] for y in first.loc[own, "y"]]
        for arm, of_arm in of_task.groupby("arm", sort=False):
            mean_nc = of_arm.groupby("name")[p_columns].mean().reindex(own)
            for column, values_n in _told(str(arm), groups, mean_nc).items():
                obs.loc[own, column] = values_n
    calls = [f"rnalearner_{arm}_call" for arm in test["arm"].unique()]
    obs[calls] = obs[calls].fillna("")
    texts = obs.columns[[not (pd.api.types.is_numeric_dtype(kind)) for kind in obs.dtypes]]
    # HDF5 takes no zero byte and no half of a surrogate pair.
    obs = obs.assign(**{name: obs[name].map(plain).astype("category") for name in texts})
    obs.index = pd.Index([plain(name) for name in obs.index])
    uns = {"rnalearner": json.dumps(dict(info or {"name": config.name}))}
    if values is None:
        return anndata.AnnData(obs=obs, uns=uns)
    x_ng = values.reindex(obs["sample"].astype(str)).to_numpy(np.float32)
    return anndata.AnnData(X=x_ng, obs=obs, var=pd.DataFrame(index=values.columns.astype(str)), uns=uns)


def write_predictions(path: Path, data: anndata.AnnData) -> None:
    """Write `data` compressed, whole or not at all."""
    with publish_file(path) as temporary:
        data.write_h5ad(temporary, compression="gzip")


def _told(arm: str, groups: tuple[str, ...], mean_nc: pd.DataFrame) -> dict[str, pd.Series]:
    """What an arm says of a task's samples: column of obs -> values."""
    column = f"rnalearner_{arm}_probability"
    # HDF5 takes a slash for a folder.
    names = [plain(name).replace("/", "_") for name in groups]
    if len(set(names)) < len(names):
        names = [f"class_{k}" for k in range(len(names))]
    told = {f"{column}_{name}": mean_nc.iloc[:, k] for k, name in enumerate(names)}
    if len(groups) == 2:
        told = {column: mean_nc.iloc[:, 1]}
    call_n = np.array(groups, dtype=object)[mean_nc.fillna(0).to_numpy().argmax(1)]
    known_n = mean_nc.notna().all(axis=1)
    return told | {f"rnalearner_{arm}_call": pd.Series(call_n, index=mean_nc.index).where(known_n, "")}
