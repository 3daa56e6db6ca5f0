"""NASA OSDR: accession -> labelled counts, from files as the repository publishes them."""

import re
from pathlib import Path

import anndata

from rnalearner.counts.compendium import complete
from rnalearner.counts.read import read_counts
from rnalearner.counts.sheet import attach_sheet, read_sheet
from rnalearner.errors import CountsError, LabelError, RecipeError

ENDINGS = ("Unnormalized_Counts.csv.gz", "Unnormalized_Counts.csv")


class OsdrSource:
    """Accessions (`OSD-105`) whose files (`GLDS-105_rna_seq_Unnormalized_Counts.csv.gz`) lie in a folder."""

    role = "task"

    def __init__(self, accessions: tuple[str, ...], folder: Path, sheet: Path | None) -> None:
        """`sheet` lists the samples with label and subject. Raises RecipeError, LabelError."""
        for accession in accessions:
            if not re.fullmatch(r"OSD-\d+", accession):
                raise RecipeError("data.osdr", f"{accession!r} is no accession", "write it like OSD-105")
        if sheet is None:
            # Without subjects, animals that two accessions share could not be told.
            what = "OSDR sets are read without a sheet of labels and subjects"
            raise LabelError("data.sheet", what, "give a CSV with sample, label and subject")
        self.accessions, self.folder, self.sheet_path = accessions, folder, sheet
        self.sheet = read_sheet(sheet)

    def studies(self) -> list[str]:
        return list(self.accessions)

    def read(self, study: str) -> anndata.AnnData:
        """One accession's samples; all must be in the sheet. Raises CountsError where its file is absent."""
        samples = read_counts(self._file_of(study))
        sheet = self.sheet
        if "study" in sheet:
            of_study = sheet[sheet["study"].isin([study, _old_name(study)])]
            sheet = of_study if len(of_study) else sheet
        attach_sheet(samples, sheet, self.sheet_path)
        unlisted = samples.uns["read_report"]["not_in_sheet"]
        if unlisted:
            what = f"does not list sample {unlisted[0]} of {study}"
            raise LabelError(self.sheet_path, what, "add a line with its label and subject")
        return complete(samples, study)

    def _file_of(self, study: str) -> Path:
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
