"""The tables of a run's folder that the report reads; None where a phase has not run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from rnalearner.errors import InputError
from rnalearner.layout import PHASES, RunLayout
from rnalearner.spreadsheet import read_csv

SCHEMAS = {
    "runs": "task arm seed epoch_scored train_accuracy validation_accuracy test_accuracy test_auroc "
    "test_brier test_loss seconds",
    "curves": "task arm seed epoch split loss accuracy",
    "predictions": "task arm seed split sample subject study y call p0 p1 unseen_subject",
    "guided": "task arm seed guided samples_a_class genes_used train_accuracy validation_accuracy "
    "test_accuracy test_auroc test_brier seconds",
    "guided_predictions": "task arm seed split sample subject study y call p0 p1 unseen_subject",
    "guided_genes": "task class rank gene symbol weight guide effect share",
    "rivals": "task arm centred test_accuracy test_auroc test_brier",
    "rival_predictions": "task arm centred sample subject y call score p0 p1 unseen_subject",
    "pretrain": "step train_loss valid_loss valid_accuracy commonest_accuracy mode_accuracy "
    "commonest_loss mode_loss learning_rate",
    "scouts": "scout_id name n_train n_held epochs steps accuracy loss converged moved failed",
    "guide_versions": "version scouts agreement sha256",
    "guide_tensors": "layer tensor parameters moved share agreement",
    "guide_layers": "layer parameters moved share agreement",
    "guide_genes": "gene moved times_median",
    "guide_members": "run scout_id name accuracy moved weight",
    "vector_sets": "set genes vectors random",
}
NAMES = ("task", "arm", "split", "sample", "subject", "study", "name", "class", "gene", "symbol", "set")
TEXT = (*NAMES, "layer", "tensor", "run", "sha256")
FLAGS = ("centred", "unseen_subject", "converged", "guided", "in_guide")
GUIDE_TABLES = ("versions", "tensors", "layers", "genes", "members")


@dataclass(frozen=True)
class RunTables:
    """What the phases wrote, by table; `guided` is the guided linear learner, `rivals` the linear arms."""

    runs: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    predictions: pd.DataFrame | None = None
    guided: pd.DataFrame | None = None
    guided_predictions: pd.DataFrame | None = None
    guided_genes: pd.DataFrame | None = None
    rivals: pd.DataFrame | None = None
    rival_predictions: pd.DataFrame | None = None
    pretrain: pd.DataFrame | None = None
    scouts: pd.DataFrame | None = None
    guide_versions: pd.DataFrame | None = None
    guide_tensors: pd.DataFrame | None = None
    guide_layers: pd.DataFrame | None = None
    guide_genes: pd.DataFrame | None = None
    guide_members: pd.DataFrame | None = None
    vector_sets: pd.DataFrame | None = None


def read_tables(layout: RunLayout) -> RunTables:
    """Every table that exists; raises InputError naming a column that one lacks."""
    paths = {name: layout.finetune(name) for name in ("runs", "curves", "predictions")}
    paths |= {name: layout.linear(name) for name in ("rivals", "rival_predictions")}
    learner = {"guided": "runs", "guided_predictions": "predictions", "guided_genes": "genes"}
    paths |= {name: layout.linear(table) for name, table in learner.items()}
    paths |= {"pretrain": layout.pretrain_metrics, "scouts": layout.scouts}
    paths |= {"vector_sets": layout.vector_sets}
    paths |= {f"guide_{name}": layout.guide_table(name) for name in GUIDE_TABLES}
    return RunTables(**{n: read_table(p, SCHEMAS[n].split()) for n, p in paths.items() if p.exists()})


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV with at least `columns`: names as text (sample "007" stays so), flags as bool.

    Columns beyond these, such as the probabilities of a third class, are figures.
    """
    text = {name: str for name in TEXT if name in columns}
    try:
        found = pd.read_csv(path, nrows=0).columns
        # A sample may well be called NA or None: only figures can be missing.
        missing_as = {name: ["", "nan", "NaN", "None"] for name in found if name not in text}
        table = read_csv(path, dtype=text, na_values=missing_as, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not a table ({error})", "run its phase again") from None
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(path, f"lacks the column {missing[0]!r}", "run its phase again")
    for name in set(FLAGS) & set(table.columns):
        table[name] = table[name].astype(str).str.lower().isin(("true", "1", "1.0"))
    return table


def read_json(path: Path) -> Any | None:
    """A JSON file, None where there is none; raises InputError where it is damaged."""
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path, f"is not valid JSON ({error})", "run its phase again") from None


def read_phases(layout: RunLayout) -> dict[str, dict[str, Any]]:
    """The marker of every completed phase, in the phases' order."""
    markers = {name: read_json(layout.marker(name)) for name in PHASES}
    return {name: marker for name, marker in markers.items() if isinstance(marker, dict)}
