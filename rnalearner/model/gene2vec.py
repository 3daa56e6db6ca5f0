"""Gene vectors from co-expression: skip-gram over pairs of genes that rise and fall together.

After Du et al. 2019, gene2vec (doi:10.1186/s12864-018-5370-x), which pairs genes correlated within
a study. Shapes: g genes, d dimensions, p pairs.
"""

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rnalearner.checkpoint import load_checkpoint, save_checkpoint
from rnalearner.config.model import Gene2vecConfig
from rnalearner.counts.genes import GeneSet, kind_of
from rnalearner.errors import CheckpointError
from rnalearner.model.co_expression import ResidualSketch, co_expressed_pairs

OTHERS_FILES = {"path", "names", "orthologs", "sets"}
"""Settings that learned vectors do not depend on."""

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

    def learned(self) -> np.ndarray:
        """Genes whose vector is neither random nor 0, bool g."""
        learned_g = np.asarray(self.vectors_gd.any(axis=1))
        for seed in {0, int(self.about.get("seed", 0))}:
            drawn_gd = random_vectors(self.gene_set, self.dim, seed)
            learned_g = learned_g & (self.vectors_gd != drawn_gd).any(axis=1)
        return learned_g

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
            what = f"holds no vector for {gene_set.ids[0]} or any other gene of these samples: it names "
            what += kind_of(self.gene_set.ids)
            raise CheckpointError(folder, what, "use vectors of the same species and kind of id")
        vectors_gd = random_vectors(gene_set, self.dim)
        source = [self.gene_set.index[gene] for gene in gene_set.ids if gene in self.gene_set.index]
        vectors_gd[known_g] = self.vectors_gd[source]
        return GeneVectors(vectors_gd, gene_set, int((~known_g).sum()))


def learn_gene_vectors(
    sketch: ResidualSketch, gene_set: GeneSet, config: Gene2vecConfig, dim: int
) -> GeneVectors:
    """Gene vectors by skip-gram over the genes that correlate within studies."""
    pairs_p2, _ = co_expressed_pairs(sketch.residuals_rg, config.min_correlation, config.max_pairs_per_gene)
    return train_gene_vectors(pairs_p2, gene_set, config, dim)


@dataclass(frozen=True, eq=False)
class PairSentences:
    """Both directions of every pair, shuffled, as sentences of two words; each pass is the same.

    Words are made as they are read: all 1.5 million sentences of 15,000 genes x 50 partners as text
    would take 550 MB, where their numbers take 24.
    """

    pairs_p2: np.ndarray
    seed: int
    block: int = 8192

    def __iter__(self) -> Iterator[list[str]]:
        both = np.concatenate([self.pairs_p2, self.pairs_p2[:, ::-1]])
        order = np.random.default_rng(self.seed).permutation(len(both))
        for start in range(0, len(both), self.block):
            yield from both[order[start : start + self.block]].astype(str).tolist()


def train_gene_vectors(
    pairs_p2: np.ndarray, gene_set: GeneSet, config: Gene2vecConfig, dim: int
) -> GeneVectors:
    """Skip-gram with 5 negative samples (Mikolov et al. 2013, arXiv:1310.4546) over `pairs_p2`.

    The same pairs and seed give the same bits: one worker thread, and no use of Python's `hash`.
    """
    vectors_gd = random_vectors(gene_set, dim, config.seed)
    about = config.model_dump(mode="json", exclude=OTHERS_FILES) | {"n_pairs": len(pairs_p2)}
    if not len(pairs_p2):
        return GeneVectors(vectors_gd, gene_set, len(gene_set), about)
    from gensim.models import Word2Vec  # here, because it takes a second and loading needs it not

    model = Word2Vec(
        PairSentences(pairs_p2, config.seed),
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
