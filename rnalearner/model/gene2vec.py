"""Gene vectors from co-expression: skip-gram over pairs of genes that rise and fall together.

After Du et al. 2019, gene2vec (doi:10.1186/s12864-018-5370-x), which pairs genes correlated within
a study. Shapes: n samples, g genes, d dimensions, p pairs.
"""

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnalearner.checkpoint import load_checkpoint, save_checkpoint
from rnalearner.config.model import Gene2vecConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError
from rnalearner.shards.read import ShardStore

MIN_EXPRESSED_SHARE = 0.1
"""Genes above zero in fewer of the samples pair with none: one sample would make any two of them
correlate perfectly."""

LEARNING_RATE = 0.1
"""Four times gensim's own: with it 5 epochs over 15,117 genes x 200 dimensions end where 20 do
without (cosine of partners .85; at 5 epochs and .025 it is .03), and take a quarter of the time."""


@dataclass(frozen=True, eq=False)
class GeneVectors:
    """A vector a gene. Known ones are centred and share one scale: their mean square is 1.

    That is the scale of a freshly drawn bin embedding, to which the encoder adds them. A gene
    without a known vector has a random one of the same scale, made from its id alone: nearly
    orthogonal to all others, and never the same for two genes, as zeros would be.
    """

    vectors_gd: np.ndarray
    gene_set: GeneSet
    n_unknown: int = 0
    """Genes with a random vector."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """How they were made."""

    @property
    def dim(self) -> int:
        return int(self.vectors_gd.shape[1])

    def save(self, folder: Path) -> str:
        """Write to `folder` as a checkpoint; return the sha256 of the vectors."""
        meta = {
            "kind": "gene_vectors",
            "gene_set": self.gene_set.sha256,
            "genes": list(self.gene_set.ids),
            "n_unknown": self.n_unknown,
            "about": dict(self.about),
        }
        return save_checkpoint(folder, {"vectors_gd": torch.from_numpy(self.vectors_gd)}, meta)

    @classmethod
    def load(cls, folder: Path, gene_set: GeneSet | None = None, dim: int | None = None) -> "GeneVectors":
        """Read vectors and put them in the order of `gene_set`, by gene id.

        Genes of `gene_set` that the folder lacks count as unknown. Raises CheckpointError where the
        folder is damaged or holds something else, no gene is shared, or `dim` differs.
        """
        tensors, meta = load_checkpoint(folder)
        vectors_gd, genes = tensors.get("vectors_gd"), meta.get("genes")
        if vectors_gd is None or genes is None or vectors_gd.ndim != 2 or len(genes) != len(vectors_gd):
            what = "does not hold `vectors_gd` and as many gene ids"
            raise CheckpointError(folder, what, "make gene vectors with `rnalearner gene2vec`")
        if dim is not None and vectors_gd.shape[1] != dim:
            what = f"its vectors have {vectors_gd.shape[1]} dimensions where the model has {dim}"
            raise CheckpointError(folder, what, "set model.dim to that number, or leave gene2vec.path out")
        stored = cls(vectors_gd.float().numpy(), GeneSet(tuple(genes)), int(meta.get("n_unknown", 0)))
        aligned = stored if gene_set in (None, stored.gene_set) else stored._aligned(folder, gene_set)
        return cls(aligned.vectors_gd, aligned.gene_set, aligned.n_unknown, meta.get("about", {}))

    def _aligned(self, folder: Path, gene_set: GeneSet) -> "GeneVectors":
        known_g = np.array([gene in self.gene_set.index for gene in gene_set.ids])
        if not known_g.any():
            what = f"holds no vector for {gene_set.ids[0]} or any other gene of these samples"
            raise CheckpointError(folder, what, "use vectors of the same species and kind of id")
        vectors_gd = random_vectors(gene_set, self.dim)
        source = [self.gene_set.index[gene] for gene in gene_set.ids if gene in self.gene_set.index]
        vectors_gd[known_g] = self.vectors_gd[source]
        return GeneVectors(vectors_gd, gene_set, int((~known_g).sum()))


def learn_gene_vectors(store: ShardStore, rows: np.ndarray, config: Gene2vecConfig, dim: int) -> GeneVectors:
    """Gene vectors from the samples `rows` of `store`: residuals, pairs, skip-gram."""
    residuals_ng = study_residuals(store, rows, config.max_samples, np.random.default_rng(config.seed))
    pairs_p2, _ = co_expressed_pairs(residuals_ng, config.min_correlation, config.max_pairs_per_gene)
    return train_gene_vectors(pairs_p2, store.gene_set, config, dim)


def study_residuals(
    store: ShardStore, rows: np.ndarray, max_samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Scaled expression minus the mean of the sample's study, float32 n×g.

    Centring leaves what varies within studies, and takes away tissues and batches, which would
    otherwise make most correlations. Not measured becomes 0, the mean. Whole studies are drawn at
    random up to `max_samples`: a few samples of each of many would leave nothing within a study.
    """
    study_n = store.obs["study"].to_numpy()[rows]
    studies = rng.permutation(np.unique(study_n).astype(object))
    rows_by_study = [rows[study_n == study] for study in studies]
    n = min(max_samples, len(rows))
    residuals_ng = np.empty((n, len(store.gene_set)), np.float32)
    expressed_g = np.zeros(len(store.gene_set))
    start = 0
    for study_rows in rows_by_study:
        stop = min(start + len(study_rows), n)
        values_ng = store.values(study_rows[: stop - start])
        measured_ng = ~np.isnan(values_ng)
        values_ng[~measured_ng] = 0
        expressed_g += (values_ng > 0).sum(axis=0)
        values_ng -= values_ng.sum(axis=0) / np.maximum(measured_ng.sum(axis=0), 1)
        values_ng[~measured_ng] = 0
        residuals_ng[start:stop] = values_ng
        start = stop
    residuals_ng[:, expressed_g < MIN_EXPRESSED_SHARE * n] = 0
    return residuals_ng


def co_expressed_pairs(
    residuals_ng: np.ndarray, min_correlation: float, max_pairs_per_gene: int, block: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of genes (int64 p×2, first < second, ascending) and their Pearson correlation (p).

    For each gene its `max_pairs_per_gene` strongest partners of at least `min_correlation`; a pair
    counts if either gene chose it. Only positive correlation: genes that go against each other are
    not alike. `block` genes at a time against all: memory is block × g, never g × g. Genes that do
    not vary have no partner.
    """
    norm_g = np.linalg.norm(residuals_ng, axis=0)
    unit_ng = residuals_ng / np.where(norm_g > 0, norm_g, 1)
    n_genes = unit_ng.shape[1]
    k = min(max_pairs_per_gene, n_genes)
    firsts, seconds, strengths = [], [], []
    for start in range(0, n_genes, block):
        r_bg = unit_ng[:, start : start + block].T @ unit_ng
        here = np.arange(len(r_bg))
        r_bg[here, start + here] = -1  # a gene is not its own partner
        partner_bk = np.argpartition(r_bg, n_genes - k, axis=1)[:, n_genes - k :]
        r_bk = np.take_along_axis(r_bg, partner_bk, axis=1)
        row, chosen = np.nonzero(r_bk >= min_correlation)
        firsts.append(start + row)
        seconds.append(partner_bk[row, chosen])
        strengths.append(r_bk[row, chosen])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    key = np.minimum(first, second) * n_genes + np.maximum(first, second)
    unique, where = np.unique(key, return_index=True)
    return np.stack(np.divmod(unique, n_genes), axis=1), np.concatenate(strengths)[where]


def train_gene_vectors(
    pairs_p2: np.ndarray, gene_set: GeneSet, config: Gene2vecConfig, dim: int
) -> GeneVectors:
    """Skip-gram with 5 negative samples (Mikolov et al. 2013, arXiv:1310.4546) over `pairs_p2`.

    The same pairs and seed give the same bits: one worker thread, and no use of Python's `hash`.
    """
    vectors_gd = random_vectors(gene_set, dim, config.seed)
    about = config.model_dump(mode="json", exclude={"path"}) | {"n_pairs": len(pairs_p2)}
    if not len(pairs_p2):
        return GeneVectors(vectors_gd, gene_set, len(gene_set), about)
    from gensim.models import Word2Vec  # here, because it takes a second and loading needs it not

    both = np.concatenate([pairs_p2, pairs_p2[:, ::-1]])
    shuffled = np.random.default_rng(config.seed).permutation(both).astype(str).tolist()
    model = Word2Vec(
        shuffled,
        vector_size=dim,
        window=1,
        min_count=1,
        sg=1,
        hs=0,
        negative=5,
        sample=0,
        alpha=LEARNING_RATE,
        epochs=config.epochs,
        seed=config.seed,
        workers=1,
        hashfxn=lambda text: zlib.crc32(text.encode()),
    )
    known = np.array([int(word) for word in model.wv.index_to_key])
    trained_gd = model.wv.vectors - model.wv.vectors.mean(axis=0)
    vectors_gd[known] = trained_gd / np.sqrt(np.mean(trained_gd**2))
    return GeneVectors(vectors_gd, gene_set, len(gene_set) - len(known), about)


def random_vectors(gene_set: GeneSet, dim: int, seed: int = 0) -> np.ndarray:
    """Standard normal vectors, float32 g×d, each made from its gene's id: the same in any gene set."""
    return np.stack(
        [
            np.random.default_rng(list(hashlib.sha256(f"{seed} {gene}".encode()).digest()))
            .standard_normal(dim)
            .astype(np.float32)
            for gene in gene_set.ids
        ]
    )
