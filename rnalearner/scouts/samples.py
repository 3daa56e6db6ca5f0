"""The samples that may scout, and what a strategy may know of them.

Shapes: n samples, g genes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rnalearner.preprocessing.normalize import log2p1_cpm
from rnalearner.shards.read import ShardStore

GeneSets = Mapping[str, Mapping[str, float]]
"""Name of a set -> its genes (Ensembl ids) -> sign: a gene that falls with the set's activity has -1."""
ReadValues = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class ScoutedSamples:
    """Rows of one store with their study, tissue, label ("" where nobody said) and sample cluster."""

    rows_n: np.ndarray
    studies_n: np.ndarray
    tissues_n: np.ndarray
    labels_n: np.ndarray
    clusters_n: np.ndarray | None
    """None where `explore` was not asked."""
    genes: tuple[str, ...]
    read: ReadValues
    """Rows to expression n x g on a log scale, NaN where a gene was not measured."""
    sets: GeneSets | None = None

    @classmethod
    def of_store(
        cls,
        store: ShardStore,
        rows_n: np.ndarray,
        clusters_n: np.ndarray | None = None,
        label_column: str = "label",
        sets: GeneSets | None = None,
        log2_cpm: bool = False,
    ) -> "ScoutedSamples":
        """Of `rows_n` of a store, on the store's scale, or in log2(CPM+1) whatever that is.

        Sheets without the column say nothing.
        """
        obs = store.obs.iloc[rows_n]
        text = {name: obs[name].astype(str).to_numpy() for name in ("study", "tissue")}
        labels_n = np.full(len(obs), "", dtype=object)
        if label_column in obs:
            labels_n = obs[label_column].fillna("").astype(str).to_numpy()
        return cls(
            rows_n,
            text["study"],
            text["tissue"],
            labels_n,
            clusters_n,
            store.gene_set.ids,
            _LastRead((lambda rows: log2p1_cpm(*store.counts(rows))) if log2_cpm else store.values),
            sets,
        )


class _LastRead:
    """A strategy reads a study, then a scout reads the same one: it is read once."""

    def __init__(self, read: ReadValues) -> None:
        self._read = read
        self._rows, self._values_ng = np.empty(0, np.int64), np.empty((0, 0), np.float32)

    def __call__(self, rows_n: np.ndarray) -> np.ndarray:
        if not len(self._rows) or not np.isin(rows_n, self._rows).all():
            self._rows = np.sort(rows_n)
            self._values_ng = self._read(self._rows)
        if np.array_equal(rows_n, self._rows):
            return self._values_ng
        return self._values_ng[np.searchsorted(self._rows, rows_n)]
