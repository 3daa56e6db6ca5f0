"""Any table of counts -> AnnData with counts in `layers["counts"]`. Shapes: n samples, g genes."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from rnalearner.counts.canonical import canonical, gene_rows, sum_groups
from rnalearner.counts.checks import check_counts, refuse_sum
from rnalearner.counts.folder import sample_files
from rnalearner.counts.genes import GeneTable, first_repeated
from rnalearner.counts.h5ad import read_h5ad
from rnalearner.counts.opening import is_parquet, short
from rnalearner.counts.text import RawCounts, read_text
from rnalearner.errors import CountsError


def read_counts(path: Path, genes: GeneTable | None = None) -> anndata.AnnData:
    """Read CSV, TSV (gzipped or not), Parquet, h5ad, or a folder of such files with the same genes.

    obs: `total` (float64) and `n_expressed` (genes above zero), both over every gene that the file
    reports, known or not. var_names: Ensembl ids without version. layers["counts"]: float32 n x g.
    uns["read_report"]: what was found and what was left out. Symbols need `genes`,
    and transcripts, which are summed, one that knows their genes.
    Raises CountsError and GeneError naming file, gene and sample.
    """
    return judged(read_raw(Path(path), genes), genes)


def read_raw(path: Path, genes: GeneTable | None = None) -> RawCounts:
    """The same as it is written: every name and number, none of them judged yet."""
    return _read_folder(path, genes) if path.is_dir() else _read_file(path, genes)


def judged(raw: RawCounts, genes: GeneTable | None = None) -> anndata.AnnData:
    """What `read_counts` gives, and raises, of a table that is read."""
    path = raw.path
    keep = gene_rows(raw.genes)
    counts_nr = raw.counts_ng if keep.all() else raw.counts_ng[:, keep]
    names = [name for name, kept in zip(raw.genes, keep, strict=True) if kept]
    fractional = check_counts(path, counts_nr, raw.samples, names)
    total_n = counts_nr.sum(axis=1, dtype=np.float64)
    refuse_sum(path, counts_nr, total_n, raw.samples)
    if (odd := next((name for name in (*raw.samples, *raw.genes) if "\0" in name), None)) is not None:
        raise CountsError(path, f"the name {short(odd)!r} holds a NUL byte", "write the names as plain text")
    if "" in raw.samples:
        what = f"sample {raw.samples.index('') + 1} has no name"
        raise CountsError(path, what, "give every sample a name")
    repeated = first_repeated(raw.samples)
    if repeated is not None:
        raise CountsError(
            path, f"sample {short(repeated)} occurs twice", "give every sample a name of its own"
        )
    resolved = canonical(path, names, genes)

    obs = pd.DataFrame(index=pd.Index(raw.samples, dtype=object, name="sample"))
    if raw.obs is not None:
        obs = raw.obs.set_axis(obs.index)
    obs["total"] = total_n
    counts_ng = sum_groups(counts_nr, resolved.groups)
    # Not rows: of one gene's transcripts several may be above zero.
    unknown = np.ones(len(names), dtype=bool)
    unknown[[row for rows in resolved.groups for row in rows]] = False
    obs["n_expressed"] = (counts_ng > 0).sum(axis=1) + (counts_nr[:, unknown] > 0).sum(axis=1)
    samples = anndata.AnnData(
        obs=obs,
        var=pd.DataFrame(index=pd.Index(resolved.ids, dtype=object, name="gene")),
        layers={"counts": counts_ng},
    )
    samples.uns["read_report"] = {
        "path": str(path),
        "orientation": raw.orientation,
        "n_samples": len(raw.samples),
        **resolved.report,
        "n_rows_left_out": int((~keep).sum()),
        "rows_left_out": [name for name, kept in zip(raw.genes, keep, strict=True) if not kept][:10],
        "fractional": fractional > 0,
        "fractional_share": fractional,
        **raw.notes,
    }
    return samples


def _read_file(path: Path, genes: GeneTable | None) -> RawCounts:
    if path.suffix == ".h5ad":
        return read_h5ad(path, genes)
    if is_parquet(path):
        from rnalearner.counts.parquet import read_parquet

        return read_parquet(path, genes)
    return read_text(path, genes)


def _read_folder(folder: Path, genes: GeneTable | None) -> RawCounts:
    """Files of one annotation side by side; their genes may be in any order, but must be the same."""
    files, besides = sample_files(folder)
    if not files:
        raise CountsError(folder, "holds no file", "put one table of counts a sample in it")
    parts = []
    for file in files:
        part = _read_file(file.path, genes)
        if file.sample is not None and len(part.samples) == 1:
            part.samples = [file.sample]
        parts.append(part)
    first = parts[0]
    for part in parts[1:]:
        if part.genes == first.genes:
            continue
        _refuse_other_genes(first, part)
        column_of = {gene: column for column, gene in enumerate(part.genes)}
        part.counts_ng = part.counts_ng[:, [column_of[gene] for gene in first.genes]]
    return RawCounts(
        folder,
        np.concatenate([part.counts_ng for part in parts]),
        [sample for part in parts for sample in part.samples],
        first.genes,
        first.orientation,
        notes={
            **first.notes,
            "files": [file.path.relative_to(folder).as_posix() for file in files],
            "files_left_out": besides,
        },
    )


def _refuse_other_genes(first: RawCounts, other: RawCounts) -> None:
    remedy = "count every file against the same annotation, or give them as separate tables"
    for one, two in ((first, other), (other, first)):
        there = set(two.genes)
        missing = next((gene for gene in one.genes if gene not in there), None)
        if missing is not None:
            raise CountsError(
                two.path, f"lacks gene {short(missing)}, which {_told(one.path, two.path)} has", remedy
            )
        repeated = first_repeated(one.genes)
        if repeated is not None:
            raise CountsError(one.path, f"gene {short(repeated)} occurs twice", "keep one row a gene")


def _told(path: Path, beside: Path) -> str:
    """Files of one name are told apart by their folders."""
    return path.name if path.name != beside.name else f"{path.parent.name}/{path.name}"
