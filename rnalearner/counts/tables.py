"""The user's own tables, one a study."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anndata

from rnalearner.config.data import TableConfig
from rnalearner.counts.compendium import complete
from rnalearner.counts.genes import GeneTable
from rnalearner.counts.read import read_counts
from rnalearner.counts.sheet import attach_sheet, read_sheet
from rnalearner.counts.source import WholeStudies
from rnalearner.errors import RecipeError


@dataclass(frozen=True)
class TablesSource(WholeStudies):
    """Tables of counts and their sheets, with paths relative to `root`."""

    tables: tuple[TableConfig, ...]
    root: Path
    genes: GeneTable | None
    role: Literal["corpus", "task"]

    def studies(self) -> list[str]:
        return [table.study for table in self.tables]

    def files(self, study: str) -> list[Path]:
        table = self._table(study)
        files = [self.root / path for path in (table.path, table.sheet) if path is not None]
        return [*files, *(path for path in files[0].glob("*") if path.is_dir())]  # a folder a sample

    def read(self, study: str) -> anndata.AnnData:
        """One table's samples; those that its sheet does not list have empty labels."""
        table = self._table(study)
        samples = read_counts(self.root / table.path, self.genes)
        if table.sheet is not None:
            sheet_path = self.root / table.sheet
            attach_sheet(samples, read_sheet(sheet_path, list(samples.obs_names)), sheet_path)
        return complete(samples, study)

    def _table(self, study: str) -> TableConfig:
        table = next((table for table in self.tables if table.study == study), None)
        if table is None:
            raise RecipeError("data.tables", f"lists no study {study}", "name one of the tables")
        return table
