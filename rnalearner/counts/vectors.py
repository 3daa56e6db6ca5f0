"""Gene vectors as others publish them: names and numbers, not yet a run's genes.

Shapes: m named vectors, d dimensions.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnalearner.checkpoint import MANIFEST, load_arrays
from rnalearner.config.data import DataConfig
from rnalearner.config.model import Gene2vecConfig
from rnalearner.counts.gene_table import read_gene_table
from rnalearner.counts.genes import GeneSet, GeneTable, kind_of, without_version
from rnalearner.counts.opening import first_lines, open_text, short
from rnalearner.counts.orthologs import one_to_one
from rnalearner.errors import CheckpointError, GeneError

FORMATS = "give `NAME v1 v2 ...` a line, word2vec's text format, .npy with gene2vec.names, or a run's vectors"


@dataclass(frozen=True, eq=False)
class NamedVectors:
    """A vector a name; ids are without version."""

    names: list[str]
    vectors_md: np.ndarray
    path: Path


@dataclass(frozen=True)
class Matched:
    """Which of the vectors is whose."""

    row_of: dict[str, int]
    """Row of each gene that has a vector."""
    report: dict[str, Any]


def read_vectors(path: Path, names: Path | None = None) -> NamedVectors:
    """A text file (gzipped or not), a .npy whose rows are named by the lines of `names`, or our own folder.

    Raises CheckpointError where it is none of these, a name comes twice, or a number is none.
    """
    if path.is_dir():
        found = _of_folder(path)
    elif path.suffix == ".npy":
        found = _of_array(path, names)
    else:
        found = _of_text(path)
    if not np.isfinite(found.vectors_md).all():
        row = int(np.flatnonzero(~np.isfinite(found.vectors_md).all(axis=1))[0])
        raise CheckpointError(path, f"the vector of {short(found.names[row])} is not finite", "leave it out")
    if len(set(found.names)) < len(found.names):
        twice = [name for name, n in Counter(found.names).items() if n > 1]
        what = f"has two vectors of {short(twice[0])}, and of {len(twice) - 1} others"
        raise CheckpointError(path, what, "keep one vector a gene")
    return found


def matched(
    vectors: NamedVectors, wanted: Collection[str], symbols: GeneTable | None, orthologs: Path | None
) -> Matched:
    """The vector of each `wanted` gene (Ensembl ids): by id, by symbol, or through a table of orthologs.

    One to one: a gene with several vectors, or a vector of several genes, gets none and is reported.
    Raises GeneError, with both kinds of ids, where no gene has a vector.
    """
    wanted = frozenset(wanted)
    report: dict[str, Any] = {"path": str(vectors.path), "n_vectors": len(vectors.names)}
    if orthologs is not None:
        gene_of, told = one_to_one(orthologs, vectors.names, wanted)
        report |= told
    else:
        gene_of = _by_name(vectors, wanted, symbols)
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(vectors.names):
        gene = gene_of.get(name)
        if gene is not None and gene in wanted:
            rows.setdefault(gene, []).append(row)
    if not rows:
        what = f"holds no vector for these genes: it names {kind_of(vectors.names)}, they are "
        remedy = "give gene2vec.orthologs for another species, data.genes for symbols"
        raise GeneError(vectors.path, what + kind_of(sorted(wanted)), remedy)
    several = sorted(gene for gene, found in rows.items() if len(found) > 1)
    row_of = {gene: found[0] for gene, found in rows.items() if len(found) == 1}
    report |= {
        "n_matched": len(row_of),
        "n_without_vector": len(wanted) - len(row_of),
        "n_several_vectors": len(several),
        "several_vectors": several[:10],
    }
    return Matched(row_of, report)


def genes_with_vectors(panel: GeneSet, data: DataConfig, gene2vec: Gene2vecConfig) -> frozenset[str]:
    """Genes of `panel` for which `data.panel_vectors` has a vector."""
    if data.panel_vectors is None:
        return frozenset(panel.ids)
    vectors = read_vectors(data.root / data.panel_vectors, gene2vec.names)
    symbols = None if data.genes is None else read_gene_table(data.root / data.genes)
    return frozenset(matched(vectors, panel.index.keys(), symbols, gene2vec.orthologs).row_of)


def _by_name(
    vectors: NamedVectors, wanted: Collection[str], symbols: GeneTable | None
) -> Mapping[str, str | None]:
    others = [name for name in vectors.names if name not in wanted]
    found: dict[str, str | None] = {name: name for name in vectors.names if name in wanted}
    if symbols is not None:
        by_symbol = dict(zip(others, symbols.resolve(others).ids, strict=True))
        known = [name for name, gene in by_symbol.items() if gene is not None]
        other_case = [name for name in known if not symbols.knows(name)]
        if len(other_case) > len(known) / 2:
            # Human TNNT1 and mouse Tnnt1 differ by case alone: a species must not pass for another unsaid.
            what = f"names {len(other_case)} of {len(known)} genes in another case than `data.genes` has "
            what += f"({short(other_case[0])} for one), as another species does"
            remedy = "give gene2vec.orthologs, or the symbols as that table writes them"
            raise GeneError(vectors.path, what, remedy)
        found |= by_symbol
    return found


def _of_folder(folder: Path) -> NamedVectors:
    if not (folder / MANIFEST).is_file():
        raise CheckpointError(folder, "holds no gene vectors", FORMATS)
    arrays, meta = load_arrays(folder)
    vectors_md, genes = arrays.get("vectors_gd"), meta.get("genes")
    if vectors_md is None or genes is None or vectors_md.ndim != 2 or len(genes) != len(vectors_md):
        what = "does not hold `vectors_gd` and as many gene ids"
        raise CheckpointError(folder, what, "make gene vectors with `rnalearner gene2vec`")
    return NamedVectors([str(gene) for gene in genes], vectors_md.astype(np.float32), folder)


def _of_array(path: Path, names: Path | None) -> NamedVectors:
    if names is None:
        raise CheckpointError(
            path, "does not name its rows", "give gene2vec.names, a file of one name a line"
        )
    try:
        vectors_md = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise CheckpointError(path, "there is no such file", "correct the path") from None
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError(path, f"cannot be read as .npy ({error})", "fetch or write it again") from None
    if vectors_md.ndim != 2 or vectors_md.dtype.kind not in "fiu":
        what = f"is an array of {vectors_md.dtype} with {vectors_md.ndim} axes, not a table of numbers"
        raise CheckpointError(path, what, "give a row a gene")
    with open_text(names) as file:
        lines = [line.decode("utf-8-sig").strip() for line in file]
    listed = [without_version(line) for line in lines if line]
    if len(listed) != len(vectors_md):
        what = f"holds {len(listed)} names for {len(vectors_md)} rows of {path.name}"
        raise CheckpointError(names, what, "give one name a line, in the order of the rows")
    return NamedVectors(listed, vectors_md.astype(np.float32), path)


def _of_text(path: Path) -> NamedVectors:
    """`NAME v1 v2 ...`, parted by spaces, tabs or commas; word2vec's first line, `m d`, may be there."""
    names: list[str] = []
    rows: list[np.ndarray] = []
    try:
        head = first_lines(path, 2, at_least=2)
        has_sizes = len(head) == 2 and len(_fields(head[0])) == 2 < len(_fields(head[1]))
        with open_text(path) as file:
            for number, raw in enumerate(file, start=1):
                fields = _fields(raw.decode("utf-8-sig"))
                if not fields or (number == 1 and has_sizes):
                    continue
                try:
                    rows.append(np.array(fields[1:], dtype=np.float32))
                except ValueError:
                    what = f"line {number} ({short(fields[0])}) holds something else than numbers"
                    raise CheckpointError(path, what, FORMATS) from None
                if rows[-1].size != rows[0].size or not rows[-1].size:
                    what = (
                        f"line {number} ({short(fields[0])}) has {rows[-1].size} numbers, not {rows[0].size}"
                    )
                    raise CheckpointError(path, what, "give every gene as many numbers")
                names.append(without_version(fields[0]))
    except UnicodeDecodeError:
        raise CheckpointError(path, "is not text", FORMATS) from None
    if not rows:
        raise CheckpointError(path, "is empty", FORMATS)
    return NamedVectors(names, np.stack(rows), path)


def _fields(line: str) -> list[str]:
    return line.replace(",", " ").split()
