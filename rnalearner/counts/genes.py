"""Genes by name: the ordered set a model knows, and the table that turns symbols into ids.

Shapes: n samples, g genes of the set.
"""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnalearner.errors import GeneError

if TYPE_CHECKING:
    import anndata
    import pandas as pd

# GENCODE marks the Y copy of a pseudoautosomal gene `ENSG00000002586.20_PAR_Y`.
ENSEMBL = re.compile(r"(ENS[A-Z]{0,6}G\d{6,})(\.\d+)?(_PAR_Y)?")
TRANSCRIPT = re.compile(r"(ENS[A-Z]{0,6}T\d{6,})(\.\d+)?(_PAR_Y)?")
_SPECIES = {"ENSG": "human", "ENSMUSG": "mouse", "ENSRNOG": "rat", "ENSDARG": "zebrafish"}


def without_version(gene_id: str) -> str:
    """`ENSMUSG00000000001.4` -> `ENSMUSG00000000001`; anything but an Ensembl gene id stays as it is."""
    match = ENSEMBL.fullmatch(gene_id)
    return match[1] if match else gene_id


def plain_name(name: str) -> str:
    """What names the gene: StringTie writes `MSTRG.7|Gnai3` or `ENSMUSG00000000001|Gnai3`, GENCODE's
    transcripts are `ENSMUST00000000001.5|ENSMUSG00000000001.5|...`, and others `Gnai3|14679`.
    """
    if "|" not in name:
        return name
    first, second = name.split("|")[:2]
    return second if first.startswith(("MSTRG.", "STRG.")) or ENSEMBL.fullmatch(second) else first


def species_of(names: Iterable[str]) -> str:
    """The commonest kind of Ensembl gene id: `mouse`, or the prefix of another species; "" for none."""
    matches = (ENSEMBL.fullmatch(name) for name in names)
    prefixes = Counter(match[1].rstrip("0123456789") for match in matches if match)
    prefix = min(prefixes, key=lambda word: (-prefixes[word], word)) if prefixes else ""
    return _SPECIES.get(prefix, prefix)


def kind_of(names: Sequence[str]) -> str:
    """What these names are, for a sentence: `mouse Ensembl ids (ENSMUSG00000000001, ...)`."""
    some = list(names[:1000])
    species = species_of(some)
    return f"{species} Ensembl ids ({some[0]}, ...)" if species else f"names such as {', '.join(some[:3])}"


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
        rows = csv_rows(path)
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
        source_m, target_m = self._shared(samples.var_names)
        if not len(source_m):
            raise GeneError(
                "gene set",
                f"shares no gene with these samples: it holds {kind_of(self.ids)}, they "
                f"{kind_of(list(samples.var_names))}",
                "use samples and a panel of the same species and kind of id",
            )
        counts_ng = np.full((samples.n_obs, len(self)), np.nan, dtype=np.float32)
        counts_ng[:, target_m] = samples.layers["counts"][:, source_m]
        return counts_ng

    def n_measured(self, var_names: "pd.Index") -> int:
        """How many of these genes a table with the columns `var_names` has."""
        return len(self._shared(var_names)[0])

    def _shared(self, var_names: "pd.Index") -> tuple[np.ndarray, np.ndarray]:
        """Columns of the table, and columns here, of the genes that both have."""
        # Thousands of studies of one annotation come one after another: the last answer is kept, as one
        # object, because threads share it.
        last = self._last_shared.get("answer")
        if last is not None and last[0].equals(var_names):
            return last[1]
        column_g = np.array([self.index.get(gene, -1) for gene in var_names], dtype=np.int64)
        source_m = np.flatnonzero(column_g >= 0)
        found = source_m, column_g[source_m]
        self._last_shared["answer"] = var_names, found
        return found

    @cached_property
    def _last_shared(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Resolved:
    """What became of a list of symbols: ids in the same order, None where there is no single answer."""

    ids: list[str | None]
    ambiguous: list[str]
    """Symbols that several genes carry; they stay unresolved."""


class GeneTable:
    """Symbols and their Ensembl ids. `A|B` as the symbol means symbol A, synonym B."""

    def __init__(
        self, pairs: Iterable[tuple[str, str]], gene_of_transcript: Mapping[str, str] | None = None
    ) -> None:
        """`gene_of_transcript`: Ensembl transcripts, without version, and their genes."""
        self.gene_of_transcript: Mapping[str, str] = gene_of_transcript or {}
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

    @cached_property
    def shared_symbols(self) -> list[str]:
        """Own symbols of several genes, sorted: none of these genes can be named by it."""
        return sorted(symbol for symbol, genes in self._tables[0].items() if len(genes) > 1)

    def knows(self, symbol: str) -> bool:
        """Whether a gene has this symbol or synonym in this very case."""
        return symbol in self._tables[0] or symbol in self._tables[1]

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


def csv_rows(path: Path) -> list[list[str]]:
    """Rows of a CSV that hold anything; raises GeneError where it is missing or damaged."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [row for row in csv.reader(file) if row]
    except FileNotFoundError:
        raise GeneError(path, "there is no such file", "correct the path") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GeneError(path, f"cannot be read as CSV ({error})", "save it as UTF-8 text") from None
