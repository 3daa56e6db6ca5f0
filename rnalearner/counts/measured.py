"""What is known of each gene after reading some studies, and the genes that a run keeps by it.

Sums only: studies may be read in any pieces, side by side, and added in their order. No labels take part.
Shapes: n samples, g genes.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rnalearner.counts.genes import GeneSet
from rnalearner.errors import GeneError

MIN_STUDIES = 2
"""Studies of the corpus that must measure a wide gene: one alone says nothing that holds elsewhere."""
MIN_CPM = 1.0
"""Mean CPM that a wide gene must exceed in one study; two of three genes of an annotation never do."""

_NO_GENES = pd.Index([], dtype=object)


class MeasuredGenes:
    """Running sums a gene. Studies that choose decide the panel; those that teach count for wide genes."""

    def __init__(self) -> None:
        self.n_samples = self.n_studies = 0
        self._sums = pd.DataFrame(
            {
                "n_measured": np.zeros(0, np.int64),
                "cpm_sum": np.zeros(0),
                "n_studies": np.zeros(0, np.int64),
                "expressed": np.zeros(0, bool),
            },
            index=_NO_GENES,
        )

    def add(self, genes: pd.Index, n: int, cpm_sum_g: np.ndarray, teaches: bool, chooses: bool) -> None:
        """Count one study: `n` bulk samples that measure `genes`, and their CPM summed over samples."""
        study = MeasuredGenes()
        study.n_samples, study.n_studies = n * chooses, int(teaches)
        study._sums = pd.DataFrame(
            {
                "n_measured": np.full(len(genes), n * chooses, np.int64),
                "cpm_sum": cpm_sum_g * chooses,
                "n_studies": np.full(len(genes), teaches, np.int64),
                "expressed": cpm_sum_g > MIN_CPM * n,
            },
            index=genes,
        )
        self.merge(study)

    def merge(self, other: "MeasuredGenes") -> None:
        """Add what another one counted."""
        self.n_samples += other.n_samples
        self.n_studies += other.n_studies
        mine, theirs = self._sums, other._sums
        if not mine.index.equals(theirs.index):
            genes = mine.index.append(theirs.index.difference(mine.index, sort=False))
            mine, theirs = (sums.reindex(genes, fill_value=0) for sums in (mine, theirs))
        self._sums = pd.DataFrame(
            {
                name: mine[name].to_numpy() | theirs[name].to_numpy().astype(bool)
                if name == "expressed"
                else mine[name].to_numpy() + theirs[name].to_numpy()
                for name in mine.columns
            },
            index=mine.index,
        )

    def panel(self, prevalence: float, min_cpm: float, among: frozenset[str] | None = None) -> GeneSet:
        """Genes measured in at least `prevalence` of the choosing samples, with a mean CPM above `min_cpm`.

        Only those `among` a given set, if there is one. Sorted by id, so that the order depends on
        nothing else. Raises GeneError where none is left.
        """
        sums = self._sums
        kept_g = (sums["n_measured"] >= prevalence * self.n_samples) & (
            sums["cpm_sum"] > min_cpm * sums["n_measured"]
        )
        chosen = sorted(gene for gene in sums.index[kept_g] if among is None or gene in among)
        if not chosen:
            what = f"no gene is measured in {prevalence:.0%} of the corpus with a mean CPM above {min_cpm}"
            raise GeneError("corpus", what, "lower data.panel_prevalence or data.panel_min_cpm")
        return GeneSet(tuple(chosen))

    def wide(self) -> GeneSet:
        """Genes that two studies of the corpus measure (one where there is one; any gene where there is
        none) and that some study expresses, sorted. Raises GeneError where none is left.
        """
        least = min(MIN_STUDIES, self.n_studies)
        chosen = sorted(self._sums.index[self._sums["expressed"] & (self._sums["n_studies"] >= least)])
        if not chosen:
            what = f"no gene that {least} of its studies measure has a mean CPM above {MIN_CPM} anywhere"
            raise GeneError("corpus", what, "check that its tables share a species and a kind of id")
        return GeneSet(tuple(chosen))

    def save(self, path: Path) -> None:
        table = pa.Table.from_pandas(self._sums.rename_axis("gene").reset_index(), preserve_index=False)
        told = {"n_samples": str(self.n_samples), "n_studies": str(self.n_studies)}
        pq.write_table(table.replace_schema_metadata(told), path)

    @classmethod
    def load(cls, path: Path) -> "MeasuredGenes":
        table = pq.read_table(path)
        found = cls()
        told = table.schema.metadata
        found.n_samples, found.n_studies = int(told[b"n_samples"]), int(told[b"n_studies"])
        found._sums = table.to_pandas().set_index("gene").rename_axis(None)
        return found


def summed_cpm(counts_ng: np.ndarray, total_n: np.ndarray) -> np.ndarray:
    """CPM of each gene, summed over the samples, g; samples without counts add nothing."""
    scale_n = np.divide(1e6, total_n, out=np.zeros_like(total_n, dtype=float), where=total_n > 0)
    return np.asarray(scale_n.astype(np.float32) @ counts_ng, dtype=np.float64)
