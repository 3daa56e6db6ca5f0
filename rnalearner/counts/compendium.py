"""Compendium folders: `samples.csv` and one `<study>.tsv.gz` a study."""

from collections.abc import Sequence
from pathlib import Path

import anndata
import pandas as pd

from rnalearner.counts.read import read_counts
from rnalearner.counts.sheet import attach_sheet, read_sheet
from rnalearner.counts.source import WholeStudies
from rnalearner.errors import CountsError, LabelError, RecipeError
from rnalearner.publish import sha256_of

SHEET = "samples.csv"


class CompendiumSource(WholeStudies):
    """Bulk studies with their labels; `samples.csv` has sample, study, tissue, label, subject, ...

    Several folders are read as one. A study that two of them hold must be the same in both.
    """

    role = "corpus"

    def __init__(
        self, folders: Sequence[Path], projects: tuple[str, ...] = (), exclude: tuple[str, ...] = ()
    ) -> None:
        """`projects`: the studies to read (empty: all that are listed), less `exclude`.

        Raises CountsError where a folder is missing, or a study differs between two; LabelError for a
        sheet without studies; RecipeError for a study that no sheet lists.
        """
        self.sheets = {folder: _sheet(folder) for folder in folders}
        self._folder: dict[str, Path] = {}
        for folder, sheet in self.sheets.items():
            for study in dict.fromkeys(sheet["study"]):
                self._check_same(study, self._folder.setdefault(study, folder), folder)
        for study in (*projects, *exclude):
            if study not in self._folder:
                # A misspelt exclusion would let the test side into the corpus.
                where, choice = ", ".join(str(f / SHEET) for f in folders), ", ".join(self._folder)
                raise RecipeError(where, f"lists no study {study}", f"choose from {choice}")
        self._studies = [study for study in (projects or self._folder) if study not in exclude]

    def studies(self) -> list[str]:
        return list(self._studies)

    def n_samples(self, study: str) -> int:
        return len(self._rows(study, self._folder[study]))

    def files(self, study: str) -> list[Path]:
        folder = self._folder[study]
        return [folder / f"{study}.tsv.gz", folder / SHEET]

    def read(self, study: str) -> anndata.AnnData:
        """One study's samples, all of which must be in its file; others in the file are left out."""
        folder = self._folder[study]
        path, sheet_path = folder / f"{study}.tsv.gz", folder / SHEET
        samples = read_counts(path)
        sheet = self._rows(study, folder)
        attach_sheet(samples, sheet, sheet_path)
        lacking = sorted(set(sheet.index) - set(samples.obs_names))
        if lacking:
            what = f"lists sample {lacking[0]} of {study}, which {path.name} lacks"
            raise LabelError(sheet_path, what, "correct its name or leave it out")
        listed_n = samples.obs_names.isin(sheet.index)
        return complete(samples if listed_n.all() else samples[listed_n].copy(), study)

    def _rows(self, study: str, folder: Path) -> pd.DataFrame:
        sheet = self.sheets[folder]
        return sheet[sheet["study"] == study]

    def _check_same(self, study: str, one: Path, other: Path) -> None:
        if one == other:
            return
        rows = [
            self._rows(study, folder).replace("", pd.NA).dropna(axis=1, how="all") for folder in (one, other)
        ]
        counts = [folder / f"{study}.tsv.gz" for folder in (one, other)]
        same_sheet = rows[0].sort_index(axis=1).equals(rows[1].sort_index(axis=1))
        if not (
            same_sheet and all(path.is_file() for path in counts) and len(set(map(sha256_of, counts))) == 1
        ):
            what = f"holds another study {study} than {one}"
            raise CountsError(other, what, "rename one of them, or leave it out of one folder")


def _sheet(folder: Path) -> pd.DataFrame:
    if not folder.is_dir():
        raise CountsError(folder, "there is no such folder", "correct `data.root` or `data.corpus`")
    sheet = read_sheet(folder / SHEET)
    if "study" not in sheet:
        raise LabelError(folder / SHEET, "has no column `study`", "name every sample's study")
    return sheet


def complete(samples: anndata.AnnData, study: str) -> anndata.AnnData:
    """Set `study`, and what the sheet did not say: bulk, tissue "", every sample a subject of its own."""
    obs = samples.obs
    obs["study"] = study
    for column, default in (("modality", "bulk"), ("tissue", ""), ("subject", "")):
        if column not in obs:
            obs[column] = default
        obs[column] = [str(value) or default for value in obs[column]]
    # Only a subject that is named can be found again in another study.
    own = [f"{study}:{sample}" for sample in samples.obs_names]
    obs["subject"] = [subject or unnamed for subject, unnamed in zip(obs["subject"], own, strict=True)]
    return samples
