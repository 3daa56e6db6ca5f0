"""Compendium folders as the benchmark reads them: samples with labels, counts study by study.

Shapes: n samples and h genes of one study.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from rnalearner.counts.checks import check_counts
from rnalearner.counts.compendium import SHEET, CompendiumSource
from rnalearner.counts.genes import first_repeated
from rnalearner.counts.opening import open_text
from rnalearner.errors import CountsError, LabelError, RecipeError


@dataclass(frozen=True, eq=False)
class StudyCounts:
    """One study's counts, its samples in the order of the sheet."""

    study: str
    samples: tuple[str, ...]
    genes: tuple[str, ...]
    counts_nh: np.ndarray
    """Reads; float32 where that holds them exactly, else float64."""
    total_n: np.ndarray
    """Reads of the whole file: what CPM divides by, whatever genes are looked at."""

    @cached_property
    def column(self) -> dict[str, int]:
        """Column of each gene."""
        return {gene: column for column, gene in enumerate(self.genes)}

    def cpm(self, genes: Sequence[str]) -> np.ndarray:
        """Counts per million n x len(genes), float64; KeyError for a gene that is not measured."""
        columns = [self.column[gene] for gene in genes]
        return self.counts_nh[:, columns].astype(float) * (1e6 / self.total_n)[:, None]


class Compendium:
    """Folders of `samples.csv` and one `<study>.tsv.gz` a study, read as one; each study is read once.

    Raises CountsError, LabelError (a sample without a subject) and RecipeError (an unknown study).
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(Path(folder) for folder in folders)
        self._counts: dict[str, StudyCounts] = {}
        self._folder: dict[str, Path] = {}
        rows = []
        for folder, sheet in CompendiumSource(self.folders).sheets.items():
            new = sheet[~sheet["study"].isin(self._folder)]
            self._folder |= dict.fromkeys(new["study"], folder)
            rows.append(new.reset_index().assign(folder=str(folder)))
        self.samples: pd.DataFrame = pd.concat(rows, ignore_index=True).fillna("")
        """A row a sample, text: sample, study, subject, folder and what else the sheets say."""
        subjects = self.samples.get("subject", pd.Series("", self.samples.index))
        if (nameless := (subjects == "").to_numpy()).any():
            first = self.samples[nameless].iloc[0]
            what = f"sample {first['sample']} of {first['study']} has no subject"
            remedy = "name the animal or cell line of every sample: tests are on unseen ones"
            raise LabelError(Path(first["folder"]) / SHEET, what, remedy)

    @property
    def studies(self) -> tuple[str, ...]:
        return tuple(self._folder)

    def path(self, study: str) -> Path:
        """The file of a study's counts."""
        if study not in self._folder:
            where, choice = ", ".join(map(str, self.folders)), ", ".join(self._folder)
            raise RecipeError(where, f"holds no study {study}", f"choose from {choice}")
        return self._folder[study] / f"{study}.tsv.gz"

    def studies_of(self, folder: Path) -> tuple[str, ...]:
        """The studies that stand in `folder`, first."""
        return tuple(study for study, home in self._folder.items() if home == Path(folder))

    def rows(self, study: str) -> pd.DataFrame:
        """The samples of a study."""
        self.path(study)
        return self.samples[self.samples["study"] == study]

    def subjects(self, study: str) -> frozenset[str]:
        return frozenset(self.rows(study)["subject"])

    def counts(self, study: str) -> StudyCounts:
        """A study's counts, its samples as `rows` lists them."""
        if study not in self._counts:
            self._counts[study] = _read(self.path(study), study, list(self.rows(study)["sample"]))
        return self._counts[study]


def _read(path: Path, study: str, names: list[str]) -> StudyCounts:
    """A file of the compendium's own format, row for row as the protocol reads it.

    Not through `counts.read`, which mends names and leaves out rows that are no genes: with another
    set of rows an L1 path takes other turns, and scores would no longer be those of the protocol.
    """
    remedy = "give genes x samples, tab-separated: a column `gene_id`, then one a sample"
    try:
        with open_text(path) as file:
            table = pd.read_csv(file, sep="\t", index_col=0, keep_default_na=False, na_values=[""])
        counts_nh = table[names].to_numpy(float).T
    except KeyError as error:
        raise CountsError(path, f"lacks samples of its sheet ({error.args[0]})", remedy) from None
    except ValueError as error:
        raise CountsError(path, f"cannot be read ({error})", remedy) from None
    genes = [str(gene) for gene in table.index]
    repeated = first_repeated(genes)
    if repeated is not None:
        raise CountsError(path, f"holds gene {repeated} twice", "keep one row a gene")
    check_counts(path, counts_nh, names, genes)
    total_n = counts_nh.sum(1)
    single_nh = counts_nh.astype(np.float32)
    exact = bool((single_nh == counts_nh).all())
    return StudyCounts(study, tuple(names), tuple(genes), single_nh if exact else counts_nh, total_n)
