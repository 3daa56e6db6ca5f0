"""Predictions as files: h5ad for scanpy and its kin, Parquet, and CSV for spreadsheets."""

import json
from collections.abc import Callable
from pathlib import Path

import anndata
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from rnalearner.finetune.predict import Answers
from rnalearner.publish import publish_file

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula."""


def write_answers(answers: Answers, target: Callable[[str], Path], formats: tuple[str, ...]) -> list[Path]:
    """Write each of `formats` to `target(format)`, whole or not at all; no file holds pickles."""
    obs, paths = tidy(answers.obs), [target(suffix) for suffix in formats]
    for suffix, path in zip(formats, paths, strict=True):
        with publish_file(path) as temporary:
            if suffix == "h5ad":
                _write_h5ad(answers, obs, temporary)
            elif suffix == "parquet":
                obs.to_parquet(temporary)
            else:
                as_text(obs).to_csv(temporary)
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


def as_text(obs: pd.DataFrame) -> pd.DataFrame:
    """No cell, name or heading that a spreadsheet would run: those get a leading apostrophe."""
    plain = obs.apply(lambda column: column.map(_harmless))
    plain.columns = obs.columns.map(_harmless)
    plain.index = obs.index.map(_harmless)
    return plain


def _harmless(value: object) -> object:
    return f"'{value}" if str(value).startswith(FORMULA) else value


def _write_h5ad(answers: Answers, obs: pd.DataFrame, path: Path) -> None:
    data = anndata.AnnData(
        X=answers.values_ng,
        obs=obs,
        var=pd.DataFrame(index=pd.Index(answers.genes, name="gene")),
        uns={"rnalearner": json.dumps(answers.info)},
    )
    data.write_h5ad(path, compression="gzip")
