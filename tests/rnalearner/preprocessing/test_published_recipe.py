"""The authors' own preprocessed files, made again from the raw counts."""

import anndata
import numpy as np
import pandas as pd
import pytest

from rnalearner.config.preprocessing import PreprocessingConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.counts.read import read_counts
from rnalearner.preprocessing.pipeline import tokens, values


@pytest.mark.parametrize("number", [105, 104, 99])
def test_cp10k_equals_the_published_values_and_tokens(shared_data, number):
    osd = shared_data / "osd"
    panel = pd.read_csv(osd / "panel_15117.csv")
    known_g = panel["ensembl"].notna().to_numpy()
    gene_set = GeneSet.from_file(osd / "panel_15117.csv")
    assert (len(panel), len(gene_set)) == (15117, 14847)
    assert list(gene_set.ids) == panel.loc[known_g, "ensembl"].tolist()

    samples = read_counts(osd / f"GLDS-{number}_rna_seq_Unnormalized_Counts.csv.gz")
    published = anndata.read_h5ad(osd / f"osd{number}_preprocessed_ensembl_15117.h5ad")
    samples = samples[published.obs["Sample ID"].astype(str).tolist()]
    published_ng = published.X.toarray()
    assert list(published.var_names) == panel["symbol"].tolist()

    # The panel genes without an Ensembl id are zero in every published sample, so that the total
    # over the other 14,847 is the published denominator.
    assert not published_ng[:, ~known_g].any()
    config = PreprocessingConfig(scale="log2p1_cp10k", n_bins=8)
    counts_ng = gene_set.align(samples)
    total_n = samples.obs["total"].to_numpy()
    ours_ng = np.zeros(published_ng.shape, dtype=np.float32)
    ours_ng[:, known_g] = values(counts_ng, total_n, config)
    assert np.abs(ours_ng - published_ng).max() < 1e-5
    our_tokens_ng = np.zeros(published_ng.shape, dtype=np.uint8)
    our_tokens_ng[:, known_g] = tokens(counts_ng, total_n, config)
    # What the published data set does: clip at 7, then cast to an integer.
    np.testing.assert_array_equal(our_tokens_ng, np.minimum(published_ng, 7).astype(np.int64))
