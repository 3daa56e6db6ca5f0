"""Gene vectors that somebody else made: of another species, by symbol, in a text file.

Shapes: g genes, d dimensions.
"""

from pathlib import Path

import numpy as np

from rnalearner.counts.genes import GeneSet, GeneTable
from rnalearner.counts.vectors import matched, read_vectors
from rnalearner.errors import CheckpointError
from rnalearner.model.gene2vec import GeneVectors, random_vectors


def foreign_vectors(
    path: Path,
    gene_set: GeneSet,
    dim: int,
    names: Path | None = None,
    symbols: GeneTable | None = None,
    orthologs: Path | None = None,
) -> GeneVectors:
    """Vectors of `gene_set`, centred and of mean square 1 over the file, as our own are.

    A gene that has none gets a random one, and counts as unknown. `about` tells what was found by which
    way. Raises CheckpointError for a file that cannot be used or of another width, GeneError where no
    gene is shared.
    """
    found = read_vectors(path, names)
    width = found.vectors_md.shape[1]
    if width != dim:
        what = f"its vectors have {width} dimensions where the model has {dim}"
        raise CheckpointError(path, what, "set model.dim to that number, or leave gene2vec.path out")
    here = matched(found, gene_set.index.keys(), symbols, orthologs)
    centred_md = found.vectors_md - found.vectors_md.mean(axis=0)
    scale = float(np.sqrt(np.mean(centred_md**2)))
    if scale == 0:
        raise CheckpointError(path, "all its vectors are the same", "give vectors that tell genes apart")
    vectors_gd = random_vectors(gene_set, dim)
    columns = [gene_set.index[gene] for gene in here.row_of]
    vectors_gd[columns] = centred_md[list(here.row_of.values())] / scale
    return GeneVectors(vectors_gd, gene_set, len(gene_set) - len(columns), here.report)
