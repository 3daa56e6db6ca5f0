"""Predictions as files: h5ad for scanpy and its kin, Parquet, and CSV for spreadsheets."""

import json
from collections.abc import Callable
from pathlib import Path

import anndata
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from rnalearner.finetune.predict import Answers
from rnalearner.publish import publish_file
from rnalearner.spreadsheet import write_csv


def write_answers(answers: Answers, target: Callable[[str], Path], formats: tuple[str, ...]) -> list[Path]:
    """Write each of `formats` to `target(format)`, whole or not at all; no file holds pickles."""
    obs, paths = tidy(answers.obs), [target(suffix) for suffix in formats]
    for suffix, path in zip(formats, paths, strict=True):
        if suffix == "csv":
            write_csv(path, obs, index_label="sample")
            continue
        with publish_file(path) as temporary:
            if suffix == "h5ad":
                _write_h5ad(answers, obs, temporary)
            else:
                obs.to_parquet(temporary)
    return paths


def tidy(obs: pd.DataFrame) -> pd.DataFrame:
    """Numbers and truth values as they are, anything else as text, under names that every format takes.

    A slash is a folder in h5ad, and `sample` and `_index` name the samples themselves.
    """
    columns: dict[str, pd.Series] = {}
    for place, name in enumerate(obs.columns):
        plain = str(name).replace("/", "_")
        plain = f"sheet_{plain}" if plain in ("sample", "_index") else plain
        values = obs.iloc[:, place]
        if not (is_numeric_dtype(values) or is_bool_dtype(values)):
            values = values.astype(object).where(values.notna(), "").astype(str)
        columns[plain if plain not in columns else f"{plain}_{place}"] = values
    return pd.DataFrame(columns, index=pd.Index(obs.index.astype(str), name="sample"))


def _write_h5ad(answers: Answers, obs: pd.DataFrame, path: Path) -> None:
    data = anndata.AnnData(
        X=answers.values_ng,
        obs=obs,
        var=pd.DataFrame(index=pd.Index(answers.genes, name="gene")),
        uns={"rnalearner": json.dumps(answers.info)},
    )
    data.write_h5ad(path, compression="gzip")
