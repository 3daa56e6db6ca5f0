"""NASA OSDR: accession -> labelled counts, from files as the repository publishes them."""

import re
from pathlib import Path
from typing import Literal

import anndata

from rnalearner.counts.compendium import complete
from rnalearner.counts.read import read_counts
from rnalearner.counts.sheet import attach_sheet, read_sheet
from rnalearner.counts.source import WholeStudies
from rnalearner.errors import CountsError, LabelError, RecipeError
from rnalearner.fetch.osdr_mirror import fetched_counts, fetched_sheet

ENDINGS = ("Unnormalized_Counts.csv.gz", "Unnormalized_Counts.csv")


class OsdrSource(WholeStudies):
    """Accessions (`OSD-105`) whose files lie in a folder: as `rnalearner ingest osdr` lays them, or by hand
    (`GLDS-105_rna_seq_Unnormalized_Counts.csv.gz`)."""

    def __init__(
        self,
        accessions: tuple[str, ...],
        folder: Path,
        sheet: Path | None,
        role: Literal["corpus", "task"] = "task",
    ) -> None:
        """`sheet` lists the samples with label and subject; without it each accession's own does, that was
        made of its metadata. Raises RecipeError, LabelError.
        """
        for accession in accessions:
            if not re.fullmatch(r"OSD-\d+", accession):
                raise RecipeError("data.osdr", f"{accession!r} is no accession", "write it like OSD-105")
        self.accessions, self.folder, self.role = accessions, folder, role
        paths = {study: sheet or fetched_sheet(folder, study) for study in accessions}
        if sheet is None and not all(path.is_file() for path in paths.values()):
            # Without subjects, animals that two accessions share could not be told.
            what = "OSDR sets are read without a sheet of labels and subjects"
            remedy = "give a CSV with sample, label and subject, or download them (`rnalearner ingest osdr`)"
            raise LabelError("data.sheet", what, remedy)
        self.sheet_paths = paths
        self.sheets = {path: read_sheet(path) for path in set(paths.values())}

    def studies(self) -> list[str]:
        return list(self.accessions)

    def files(self, study: str) -> list[Path]:
        return [self._file_of(study), self.sheet_paths[study]]

    def read(self, study: str) -> anndata.AnnData:
        """One accession's samples; all must be in the sheet. Raises CountsError where its file is absent."""
        samples = read_counts(self._file_of(study))
        sheet_path = self.sheet_paths[study]
        sheet = self.sheets[sheet_path]
        if "study" in sheet:
            of_study = sheet[sheet["study"].isin([study, _old_name(study)])]
            sheet = of_study if len(of_study) else sheet
        attach_sheet(samples, sheet, sheet_path)
        unlisted = samples.uns["read_report"]["not_in_sheet"]
        if unlisted:
            what = f"does not list sample {unlisted[0]} of {study}"
            raise LabelError(sheet_path, what, "add a line with its label and subject")
        return complete(samples, study)

    def _file_of(self, study: str) -> Path:
        if (fetched := fetched_counts(self.folder, study)) is not None:
            return fetched
        # The repository kept file names from before accessions were renamed from GLDS to OSD.
        starts = (f"{_old_name(study)}_rna_seq_", f"{study}_rna_seq_")
        candidates = [self.folder / f"{start}{ending}" for start in starts for ending in ENDINGS]
        found = next((path for path in candidates if path.exists()), None)
        if found is None:
            number = study.removeprefix("OSD-")
            remedy = f"download it; https://osdr.nasa.gov/osdr/data/osd/files/{number} lists the addresses"
            raise CountsError(candidates[0], "there is no such file", remedy)
        return found


def _old_name(accession: str) -> str:
    return accession.replace("OSD-", "GLDS-")
