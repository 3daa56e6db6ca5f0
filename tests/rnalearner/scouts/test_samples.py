import numpy as np
import pytest

from rnalearner.preprocessing.normalize import log2p1_cpm
from rnalearner.scouts.samples import ScoutedSamples
from tests.toy_corpus import PER_STUDY, write_toy_corpus


@pytest.fixture
def store(tmp_path):
    return write_toy_corpus(tmp_path / "shards")


def test_samples_of_a_store_know_their_study_and_no_label_where_no_sheet_has_one(store):
    rows_n = np.arange(4, 20)
    samples = ScoutedSamples.of_store(store, rows_n)
    assert samples.studies_n.tolist() == ["S0"] * 4 + ["S1"] * PER_STUDY + ["S2"] * 4
    assert set(samples.labels_n) == {""}
    assert samples.clusters_n is None
    assert samples.genes == store.gene_set.ids


def test_values_are_the_store_s_however_rows_are_asked(store):
    samples = ScoutedSamples.of_store(store, np.arange(store.n_obs))
    for rows in (np.array([5, 3, 9]), np.array([9, 3]), np.arange(8), np.array([7, 40])):
        np.testing.assert_array_equal(samples.read(rows), store.values(rows))


def test_log2_cpm_is_read_whatever_the_store_s_scale(store):
    store.manifest = store.manifest.model_copy(
        update={"preprocessing": store.preprocessing.model_copy(update={"scale": "log2p1_cp10k"})}
    )
    rows = np.arange(6)
    wanted_ng = log2p1_cpm(*store.counts(rows))
    assert not np.array_equal(ScoutedSamples.of_store(store, rows).read(rows), wanted_ng, equal_nan=True)
    samples = ScoutedSamples.of_store(store, rows, log2_cpm=True)
    np.testing.assert_array_equal(samples.read(rows), wanted_ng)
