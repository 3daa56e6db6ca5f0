"""recount3: a local mirror of its files -> labelled read counts.

Layout and column names as in recount3's documentation (Wilks et al. 2021; raw file layout): one gene
file a project, and metadata tables that share the key `external_id`, the run. Shapes: n runs, g genes.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from rnalearner.counts.coverage import DOWNLOAD, CountBlock, count_blocks, runs_of
from rnalearner.counts.genes import without_version
from rnalearner.counts.run_tables import columns, in_order, sample_attributes
from rnalearner.errors import CountsError, UnusableStudyError
from rnalearner.fetch import recount3_files

BLOCK_RUNS = 256
"""Runs in memory at a time: 55,421 genes of them are 57 MB."""
AUC_TARGET = 4e7
"""recount3's own scaling by the area under coverage: as if every library had 40 million reads of a base."""

Scaling = Literal["mapped_length", "auc"]
_DIVISOR_COLUMN: dict[Scaling, str] = {
    "mapped_length": "star.average_mapped_length",
    "auc": "bc_auc.all_reads_all_bases",
}


def gene_file(mirror: Path, project: str, organism: str = "mouse") -> Path:
    """Coverage sums by gene and run."""
    return mirror / recount3_files.gene_file(organism, project)


def metadata_file(mirror: Path, project: str, table: str, organism: str = "mouse") -> Path:
    """`table`: recount_project, recount_qc, recount_seq_qc, recount_pred or sra."""
    return mirror / recount3_files.metadata_file(organism, project, table)


def sample_list_file(mirror: Path, organism: str = "mouse") -> Path:
    """Every run of every project."""
    return mirror / recount3_files.sample_list_file(organism)


class Recount3Source:
    """The corpus in a local mirror; a study is a project."""

    role = "corpus"

    def __init__(
        self,
        mirror: Path,
        projects: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
        scaling: Scaling = "mapped_length",
        organism: str = "mouse",
    ) -> None:
        """`projects`: the ones to read (empty: all whose gene file is there), less `exclude`.

        `scaling`: coverage to reads by the average mapped length (recount3: compute_read_counts), or to
        a library of AUC_TARGET bases (transform_counts).
        """
        self.mirror, self.projects, self.exclude = mirror, projects, exclude
        self.scaling, self.organism = scaling, organism
        self.read_before: frozenset[str] = frozenset()
        """Projects whose samples lie in shards: they keep their runs, whatever comes later."""
        self._divisor_column = _DIVISOR_COLUMN[scaling]
        self._gene_columns: tuple[list[str], pd.Index, np.ndarray | None] | None = None

    def studies(self) -> list[str]:
        """Projects, sorted. Raises CountsError where the mirror lacks a named one, or holds none."""
        return list(self._studies)

    @cached_property
    def _studies(self) -> tuple[str, ...]:
        # By gene files, not by the sample list: a mirror may hold the whole list and few projects.
        one = Path(recount3_files.gene_file(self.organism, "PROJECT"))
        pattern = (one.parent.parent.parent / "*" / "*" / one.name.replace("PROJECT", "*")).as_posix()
        held = {path.parent.name for path in self.mirror.glob(pattern)}
        if not held:
            example = self._gene_file("SRP000001")
            raise CountsError(self.mirror, "no recount3 gene file lies there", f"put them as {example}")
        if absent := sorted(set(self.projects) - held):
            raise CountsError(self.mirror, f"project {absent[0]} is not in this mirror", DOWNLOAD)
        for project in sorted(set(self.exclude) - held):
            # A misspelt exclusion would let the test side into the corpus.
            raise CountsError(self.mirror, f"has no project {project} to exclude", "correct `data.exclude`")
        return tuple(sorted((set(self.projects) or held) - set(self.exclude)))

    def n_samples(self, study: str) -> int:
        return len(self._index.get(study, ()))

    def files(self, study: str) -> list[Path]:
        return [self._gene_file(study), *(self._table_file(study, table) for table in _NEEDED)]

    def _gene_file(self, study: str) -> Path:
        return gene_file(self.mirror, study, self.organism)

    def _table_file(self, study: str, table: str) -> Path:
        return metadata_file(self.mirror, study, table, self.organism)

    @cached_property
    def _index(self) -> dict[str, tuple[str, ...]]:
        """The runs of each project here, by the sample list; empty where there is none."""
        path = sample_list_file(self.mirror, self.organism)
        known = recount3_files.read_index(path) if path.is_file() else {}
        return {study: known[study] for study in self._studies if study in known}

    @cached_property
    def _repeated(self) -> dict[str, tuple[str, ...]]:
        return recount3_files.kept_runs(self._index, self.read_before)

    def read(self, study: str) -> AnnData:
        """Counts of a whole project: see `blocks`."""
        blocks = list(self.blocks(study))
        if len(blocks) == 1:
            return blocks[0]
        return AnnData(
            obs=pd.concat([block.obs for block in blocks]).fillna(""),
            var=blocks[0].var,
            layers={"counts": np.concatenate([block.layers["counts"] for block in blocks])},
            uns={"read_report": blocks[-1].uns["read_report"]},
        )

    def blocks(self, study: str) -> Iterator[AnnData]:
        """Counts of a project, at most BLOCK_RUNS runs at a time: coverage x factor.

        They stay fractional, so that CPM is exactly that of the coverage; `total` is of counts,
        `total_coverage` of coverage. Genes that share an id without version (PAR_Y) are summed. Runs
        without a length (or AUC), or that another project keeps, are dropped, and listed in
        uns["read_report"]["dropped"]. Raises UnusableStudyError where no run has one, CountsError for
        files that are missing, cut short, or that list different runs.
        """
        path = self._gene_file(study)
        runs = runs_of(path)
        about, divisor = self._about(study, runs)
        dropped = self._dropped(study, divisor)
        kept = [run for run in runs if run not in dropped]
        if not kept:
            return
        # Divided, not multiplied by an inverse, so that whole reads stay whole.
        divisor_n = divisor[kept].to_numpy() / (1.0 if self.scaling == "mapped_length" else AUC_TARGET)
        for block in count_blocks(path, kept, divisor_n, BLOCK_RUNS):
            samples = self._samples(path, about.loc[kept].iloc[block.place], divisor_n[block.place], block)
            samples.uns["read_report"]["dropped"] = dropped
            yield samples

    def _about(self, study: str, runs: list[str]) -> tuple[pd.DataFrame, pd.Series]:
        """What the tables say of each run: obs without totals, and its divisor (NaN: unknown)."""
        genes, tables = self._gene_file(study), {}
        for table, needed in _NEEDED.items():
            wished = self._divisor_column if table == "recount_qc" else None
            path = self._table_file(study, table)
            tables[table] = in_order(columns(path, needed, wished), runs, path, genes)
        divisor = pd.to_numeric(
            pd.Series(tables["recount_qc"][self._divisor_column], index=runs), errors="coerce"
        )
        divisor = divisor.where(np.isfinite(divisor) & (divisor > 0)).astype(float)
        about = sample_attributes(runs, tables["sra"]["sample_attributes"])
        about.insert(0, "study", study)
        kinds = tables["recount_pred"]["pattern.predict.type"]
        about.insert(1, "modality", ["bulk" if kind == "rna-seq" else "single-cell" for kind in kinds])
        return about, divisor

    def _dropped(self, study: str, divisor: pd.Series) -> dict[str, str]:
        repeated = dict.fromkeys(self._repeated.get(study, ()), "an earlier project has this run")
        without = divisor.index[divisor.isna()]
        if len(without) == len(divisor):
            where = self._table_file(study, "recount_qc")
            raise UnusableStudyError(where, f"no run has a {self._divisor_column} above 0", "leave it out")
        return repeated | dict.fromkeys(without, f"no {self._divisor_column}")

    def _samples(self, path: Path, obs: pd.DataFrame, divisor_n: np.ndarray, block: CountBlock) -> AnnData:
        names, groups = self._genes(block.genes)
        counts_ng = block.counts_ng if groups is None else _summed(block.counts_ng, groups, len(names))
        obs = obs.assign(
            total=block.total_n,
            n_expressed=(counts_ng > 0).sum(axis=1),
            total_coverage=block.coverage_n,
            factor=1 / divisor_n,
        )
        report = {
            "path": str(path),
            "orientation": "genes by samples",
            "id_type": "ensembl_version",
            "n_genes": len(block.genes),
            "n_matched": len(names),
            "n_unmatched": 0,
            "duplicates": len(block.genes) - len(names),
            "fractional": bool((counts_ng != np.floor(counts_ng)).any()),
            "scaling": self.scaling,
        }
        var = pd.DataFrame(index=names)
        return AnnData(obs=obs, var=var, layers={"counts": counts_ng}, uns={"read_report": report})

    def _genes(self, genes: list[str]) -> tuple[pd.Index, np.ndarray | None]:
        """Ids without version, and which of them each row of the file is, where some share one."""
        # Ten thousand files of one annotation: the same lines are resolved once.
        if self._gene_columns is None or self._gene_columns[0] != genes:
            ids = pd.Index([without_version(gene) for gene in genes], dtype=object)
            groups, names = pd.factorize(ids)
            self._gene_columns = genes, names, groups if len(names) < len(ids) else None
        return self._gene_columns[1:]


def _summed(counts_ng: np.ndarray, groups: np.ndarray, n_genes: int) -> np.ndarray:
    """Columns of one group added up, in float64; most groups have one."""
    summed_ng = np.zeros((len(counts_ng), n_genes), dtype=np.float32)
    first = np.unique(groups, return_index=True)[1]
    summed_ng[:, groups[first]] = counts_ng[:, first]
    for column in np.setdiff1d(np.arange(len(groups)), first):
        both_n = summed_ng[:, groups[column]].astype(np.float64) + counts_ng[:, column]
        summed_ng[:, groups[column]] = both_n
    return summed_ng


_NEEDED = {
    "recount_project": ("external_id",),
    "recount_qc": ("external_id",),
    "recount_pred": ("external_id", "pattern.predict.type"),
    "sra": ("external_id", "sample_attributes"),
}
