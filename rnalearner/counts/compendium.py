"""A compendium folder: `samples.csv` and one `<study>.tsv.gz` a study."""

from pathlib import Path

import anndata

from rnalearner.counts.read import read_counts
from rnalearner.counts.sheet import attach_sheet, read_sheet
from rnalearner.errors import CountsError, LabelError, RecipeError


class CompendiumSource:
    """Bulk studies with their labels; `samples.csv` has sample, study, tissue, label, subject, ..."""

    role = "corpus"

    def __init__(self, folder: Path, projects: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> None:
        """`projects`: the studies to read (empty: all that are listed), less `exclude`."""
        self.folder, self.sheet_path = folder, folder / "samples.csv"
        if not folder.is_dir():
            raise CountsError(folder, "there is no such folder", "correct `data.root` or `data.corpus`")
        self.sheet = read_sheet(self.sheet_path)
        if "study" not in self.sheet:
            raise LabelError(self.sheet_path, "has no column `study`", "name every sample's study")
        listed = list(dict.fromkeys(self.sheet["study"]))
        choice = ", ".join(listed)
        for study in (*projects, *exclude):
            if study not in listed:
                # A misspelt exclusion would let the test side into the corpus.
                raise RecipeError(self.sheet_path, f"lists no study {study}", f"choose from {choice}")
        self._studies = [study for study in (projects or listed) if study not in exclude]

    def studies(self) -> list[str]:
        return list(self._studies)

    def read(self, study: str) -> anndata.AnnData:
        """One study's samples, all of which must be in its file; others in the file are left out."""
        path = self.folder / f"{study}.tsv.gz"
        samples = read_counts(path)
        sheet = self.sheet[self.sheet["study"] == study]
        attach_sheet(samples, sheet, self.sheet_path)
        lacking = sorted(set(sheet.index) - set(samples.obs_names))
        if lacking:
            what = f"lists sample {lacking[0]} of {study}, which {path.name} lacks"
            raise LabelError(self.sheet_path, what, "correct its name or leave it out")
        listed_n = samples.obs_names.isin(sheet.index)
        return complete(samples if listed_n.all() else samples[listed_n].copy(), study)


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
