"""Genes by name: the ordered set a model knows, and the table that turns symbols into ids.

Shapes: n samples, g genes of the set.
"""

import csv
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnalearner.errors import GeneError

if TYPE_CHECKING:
    import anndata

# GENCODE marks the Y copy of a pseudoautosomal gene `ENSG00000002586.20_PAR_Y`.
ENSEMBL = re.compile(r"(ENS[A-Z]{0,6}G\d{6,})(\.\d+)?(_PAR_Y)?")


def without_version(gene_id: str) -> str:
    """`ENSMUSG00000000001.4` -> `ENSMUSG00000000001`; anything but an Ensembl gene id stays as it is."""
    match = ENSEMBL.fullmatch(gene_id)
    return match[1] if match else gene_id


@dataclass(frozen=True)
class GeneSet:
    """Ordered gene ids: column j of every matrix of a run is gene `ids[j]`."""

    ids: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.ids:
            raise GeneError("gene set", "holds no gene", "give at least one")
        repeated = first_repeated(self.ids)
        if repeated is not None:
            raise GeneError("gene set", f"holds {repeated} twice", "list every gene once")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def sha256(self) -> str:
        """Hash of the ids in their order: what manifests and checkpoints compare."""
        return hashlib.sha256("\n".join(self.ids).encode()).hexdigest()

    @cached_property
    def index(self) -> dict[str, int]:
        """Column of each gene."""
        return {gene: column for column, gene in enumerate(self.ids)}

    @classmethod
    def from_file(cls, path: Path) -> "GeneSet":
        """Read a CSV with a column `ensembl` (rows without an id are skipped), or one id a line.

        Raises GeneError where the file is missing, empty, or holds something else than Ensembl ids.
        """
        rows = _csv_rows(path)
        header = rows[0] if rows else []
        numbered = list(enumerate(rows, start=1))
        column = 0
        if "ensembl" in header:
            column, numbered = header.index("ensembl"), numbered[1:]
        elif len(header) > 1:
            raise GeneError(path, "has several columns, none named `ensembl`", "name the column of ids so")
        ids = []
        for line, row in numbered:
            gene = row[column].strip() if len(row) > column else ""
            if gene and not ENSEMBL.fullmatch(gene):
                raise GeneError(path, f"line {line} is {gene!r}, not an Ensembl gene id", "list Ensembl ids")
            if gene:
                ids.append(without_version(gene))
        if not ids:
            raise GeneError(path, "holds no gene id", "list Ensembl ids, one a line")
        repeated = first_repeated(ids)
        if repeated is not None:
            raise GeneError(path, f"holds {repeated} twice", "list every gene once")
        return cls(tuple(ids))

    def align(self, samples: "anndata.AnnData") -> np.ndarray:
        """Counts of these genes, float32 n x g, in this order.

        A gene that `samples` does not have is NaN, "not measured"; zero is a measured zero.
        Raises GeneError where no gene is shared.
        """
        source, target = [], []
        for position, gene in enumerate(samples.var_names):
            column = self.index.get(gene)
            if column is not None:
                source.append(position)
                target.append(column)
        if not source:
            raise GeneError(
                "gene set",
                f"shares no gene with these samples (they have {', '.join(samples.var_names[:3])}, ...)",
                "use samples and a panel of the same species and kind of id",
            )
        counts_ng = np.full((samples.n_obs, len(self)), np.nan, dtype=np.float32)
        counts_ng[:, target] = samples.layers["counts"][:, source]
        return counts_ng


@dataclass(frozen=True)
class Resolved:
    """What became of a list of symbols: ids in the same order, None where there is no single answer."""

    ids: list[str | None]
    ambiguous: list[str]
    """Symbols that several genes carry; they stay unresolved."""


class GeneTable:
    """Symbols and their Ensembl ids. `A|B` in the column `symbol` means symbol A, synonym B."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        # Most trusted first: a gene's own symbol before synonyms, exact case before any case.
        self._tables: list[dict[str, set[str]]] = [{}, {}, {}, {}]
        self.ids: set[str] = set()
        self.symbol_of: dict[str, str] = {}
        """A gene's own symbol, for those that have one."""
        for gene, symbols in pairs:
            self.ids.add(gene)
            own = symbols.split("|")[0]
            if own not in ("", "-"):
                self.symbol_of.setdefault(gene, own)
            for rank, symbol in enumerate(symbols.split("|")):
                if symbol in ("", "-"):
                    continue
                exact, folded = (0, 2) if rank == 0 else (1, 3)
                self._tables[exact].setdefault(symbol, set()).add(gene)
                self._tables[folded].setdefault(symbol.casefold(), set()).add(gene)

    @classmethod
    def from_csv(cls, path: Path) -> "GeneTable":
        """Read columns `ensembl` and `symbol`; raises GeneError where they are missing."""
        rows = _csv_rows(path)
        header = rows[0] if rows else []
        if "ensembl" not in header or "symbol" not in header:
            raise GeneError(path, "lacks a column `ensembl` or `symbol`", "give a CSV with both")
        gene, symbol = header.index("ensembl"), header.index("symbol")
        width = max(gene, symbol)
        return cls((without_version(row[gene]), row[symbol]) for row in rows[1:] if len(row) > width)

    def candidates(self, symbol: str) -> set[str]:
        """Every gene that the most trusted matching table names; empty where none does."""
        for table, name in zip(self._tables, (symbol, symbol, *[symbol.casefold()] * 2), strict=True):
            if name in table:
                return table[name]
        return set()

    def resolve(self, symbols: Sequence[str]) -> Resolved:
        ids: list[str | None] = []
        ambiguous = []
        for symbol in symbols:
            found = self.candidates(symbol)
            ids.append(next(iter(found)) if len(found) == 1 else None)
            if len(found) > 1:
                ambiguous.append(symbol)
        return Resolved(ids, ambiguous)


def first_repeated(names: Iterable[str]) -> str | None:
    """The first name that occurred before."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _csv_rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [row for row in csv.reader(file) if row]
    except FileNotFoundError:
        raise GeneError(path, "there is no such file", "correct the path") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GeneError(path, f"cannot be read as CSV ({error})", "save it as UTF-8 text") from None
