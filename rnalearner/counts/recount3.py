"""recount3: a local mirror of its files -> labelled read counts.

Layout and column names as in recount3's documentation (Wilks et al. 2021; raw file layout): one gene
file a project, and metadata tables that share the key `external_id`, the run.
"""

import csv
import gzip
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from rnalearner.counts.genes import without_version
from rnalearner.errors import CountsError

_SRA = Path("mouse", "data_sources", "sra")
_DOWNLOAD = "download the project's files again"
RESERVED = ("study", "modality", "total", "n_expressed")
"""Columns of obs that a sample attribute may not take; there it is called `sra_<name>`."""


def gene_file(mirror: Path, project: str) -> Path:
    """Coverage sums by gene and run (GENCODE M23)."""
    return mirror / _SRA / "gene_sums" / project[-2:] / project / f"sra.gene_sums.{project}.M023.gz"


def metadata_file(mirror: Path, project: str, table: str) -> Path:
    """`table`: recount_project, recount_qc, recount_seq_qc, recount_pred or sra."""
    return mirror / _SRA / "metadata" / project[-2:] / project / f"sra.{table}.{project}.MD.gz"


def sample_list_file(mirror: Path) -> Path:
    """Every run of every project."""
    return mirror / _SRA / "metadata" / "sra.recount_project.MD.gz"


class Recount3Source:
    """The corpus in a local mirror; a study is a project."""

    role = "corpus"

    def __init__(self, mirror: Path, projects: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> None:
        """`projects`: the ones to read (empty: all whose gene file is there), less `exclude`."""
        self.mirror, self.projects, self.exclude = mirror, projects, exclude

    def studies(self) -> list[str]:
        """Projects, sorted. Raises CountsError where the mirror lacks a named one, or holds none."""
        # By gene files, not by the sample list: a mirror may hold the whole list and few projects.
        pattern = gene_file(Path("*"), "*").relative_to("*").as_posix()
        held = {path.parent.name for path in self.mirror.glob(pattern)}
        if not held:
            example = gene_file(self.mirror, "SRP000001")
            raise CountsError(self.mirror, "no recount3 gene file lies there", f"put them as {example}")
        if absent := sorted(set(self.projects) - held):
            raise CountsError(self.mirror, f"project {absent[0]} is not in this mirror", _DOWNLOAD)
        for project in sorted(set(self.exclude) - held):
            # A misspelt exclusion would let the test side into the corpus.
            raise CountsError(self.mirror, f"has no project {project} to exclude", "correct `data.exclude`")
        return sorted((set(self.projects) or held) - set(self.exclude))

    def read(self, study: str) -> AnnData:
        """Read counts of a project: coverage / average mapped length (recount3: compute_read_counts).

        They stay fractional, so that CPM is exactly that of the coverage. Genes that share an id
        without version (PAR_Y) are summed. Runs without a mapped length are dropped, and listed in
        uns["read_report"]["dropped"]. Raises CountsError for files that are missing, cut short, or
        that list different runs.
        """
        path = gene_file(self.mirror, study)
        coverage = _read_coverage(path)
        runs = coverage.columns
        tables = {}
        for table in ("recount_project", "recount_qc", "recount_pred", "sra"):
            tables[table] = _read_table(metadata_file(self.mirror, study, table), runs, path)
        lengths = tables["recount_qc"]["star.average_mapped_length"]
        length_n = np.asarray(pd.to_numeric(lengths, errors="coerce"), dtype=np.float64)
        usable_n = np.isfinite(length_n) & (length_n > 0)
        if not usable_n.any():
            where = metadata_file(self.mirror, study, "recount_qc")
            raise CountsError(where, "no run has a star.average_mapped_length above 0", "leave it out")
        genes = coverage.index.map(without_version)
        duplicates = int(genes.duplicated().sum())
        summed = coverage.groupby(genes, sort=False).sum() if duplicates else coverage.set_axis(genes)
        counts_ng = (summed.to_numpy(np.float64).T / np.where(usable_n, length_n, 1)[:, None])[usable_n]
        kept = runs[usable_n]
        obs = _sample_attributes(tables["sra"]["sample_attributes"].loc[kept])
        bulk_n = tables["recount_pred"]["pattern.predict.type"].loc[kept].eq("rna-seq")
        obs.insert(0, "study", study)
        obs.insert(1, "modality", np.where(bulk_n, "bulk", "single-cell"))
        obs["total"] = counts_ng.sum(axis=1)
        obs["n_expressed"] = (counts_ng > 0).sum(axis=1)
        report = {
            "path": str(path),
            "orientation": "genes by samples",
            "id_type": "ensembl_version",
            "n_genes": len(coverage),
            "n_matched": len(summed),
            "n_unmatched": 0,
            "duplicates": duplicates,
            "fractional": bool((counts_ng % 1 > 0).any()),
            "dropped": dict.fromkeys(runs[~usable_n], "no average mapped length"),
        }
        return AnnData(
            obs=obs,
            var=pd.DataFrame(index=summed.index.rename(None)),
            layers={"counts": counts_ng.astype(np.float32)},
            uns={"read_report": report},
        )


def _read_coverage(path: Path) -> pd.DataFrame:
    """Genes by runs, as in the file."""
    table = _parse(path, skiprows=2, index_col=0)
    if table.index.name != "gene_id" or table.empty:
        what = f"the third line starts with {table.index.name!r}, not with 'gene_id' and runs"
        raise CountsError(path, what, _DOWNLOAD)
    for run in table.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]]:
        table[run] = pd.to_numeric(table[run], errors="coerce")
    coverage_gn = table.to_numpy(np.float64)
    bad_gn = ~(np.isfinite(coverage_gn) & (coverage_gn >= 0))
    if bad_gn.any():
        row, column = (int(at) for at in np.argwhere(bad_gn)[0])
        what = f"gene {table.index[row]}, run {table.columns[column]}: no coverage at or above 0"
        raise CountsError(path, what, _DOWNLOAD)
    return table


_NEEDED = {
    "recount_project": ("external_id",),
    "recount_qc": ("external_id", "star.average_mapped_length"),
    "recount_pred": ("external_id", "pattern.predict.type"),
    "sra": ("external_id", "sample_attributes"),
}


def _read_table(path: Path, runs: pd.Index, genes: Path) -> pd.DataFrame:
    """A metadata table in the order of the gene file's runs, all cells as text."""
    table = _parse(path, dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    for column in _NEEDED[path.name.split(".")[1]]:
        if column not in table:
            raise CountsError(path, f"has no column {column}", _DOWNLOAD)
    table = table.drop_duplicates("external_id").set_index("external_id")
    for run in runs.difference(table.index)[:1]:
        raise CountsError(path, f"run {run} of {genes.name} is not in this table", _DOWNLOAD)
    for run in table.index.difference(runs)[:1]:
        raise CountsError(genes, f"run {run} of {path.name} has no column here", _DOWNLOAD)
    return table.loc[runs]


def _parse(path: Path, **options: object) -> pd.DataFrame:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return pd.read_csv(file, sep="\t", float_precision="round_trip", **options)  # type: ignore[call-overload]
    except FileNotFoundError:
        raise CountsError(path, "is missing", "download the project's files, or exclude it") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise CountsError(path, "is cut short, or no gzip file", _DOWNLOAD) from None
    except (ValueError, pd.errors.ParserError) as error:
        raise CountsError(path, f"is not a table ({str(error).strip()})", _DOWNLOAD) from None


def _sample_attributes(attributes_n: pd.Series) -> pd.DataFrame:
    """SRA's `key;;value|key;;value` as columns, absent ones ""; a sample is its own subject by default."""
    rows = []
    for run, text in attributes_n.items():
        row = {"subject": str(run), "tissue": "", "label": ""}
        for pair in text.split("|"):
            key, separator, value = pair.partition(";;")
            name = key.strip().lower()
            if separator and name:
                row[f"sra_{name}" if name in RESERVED else name] = value.strip()
        rows.append(row)
    return pd.DataFrame(rows, index=attributes_n.index.rename(None)).fillna("")
