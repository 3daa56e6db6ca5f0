import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from rnalearner.counts.measured import MeasuredGenes, summed_cpm
from rnalearner.errors import GeneError


def study(counts: dict[str, list[float]], total: float = 1e6) -> AnnData:
    """Samples of which each has `total` reads, so that at 1e6 a count is its CPM."""
    counts_ng = np.array(list(counts.values()), dtype=np.float32).T
    obs = pd.DataFrame({"total": np.full(len(counts_ng), total)}, index=list(map(str, range(len(counts_ng)))))
    return AnnData(obs=obs, var=pd.DataFrame(index=list(counts)), layers={"counts": counts_ng})


def add(genes: MeasuredGenes, samples: AnnData, teaches: bool = True, chooses: bool = True) -> None:
    cpm_sum_g = summed_cpm(samples.layers["counts"], samples.obs["total"].to_numpy())
    genes.add(samples.var_names, samples.n_obs, cpm_sum_g, teaches, chooses)


def chosen(*studies: AnnData, prevalence: float = 0.9, min_cpm: float = 1.0) -> tuple[str, ...]:
    genes = MeasuredGenes()
    for samples in studies:
        add(genes, samples)
    return genes.panel(prevalence, min_cpm).ids


def test_genes_need_a_mean_cpm_above_the_limit():
    assert chosen(study({"b": [2, 2], "a": [0, 3], "just": [1, 1], "faint": [0, 1]})) == ("a", "b")


def test_cpm_is_of_the_files_own_total():
    assert chosen(study({"a": [2]}, total=4e6), study({"a": [3]}, total=4e6), min_cpm=0.6) == ("a",)
    with pytest.raises(GeneError):
        chosen(study({"a": [2]}, total=4e6), study({"a": [3]}, total=4e6), min_cpm=0.63)


def test_a_gene_must_be_measured_in_enough_samples_not_studies():
    most, few = study({"a": [9] * 9, "b": [9] * 9}), study({"a": [9]})
    assert chosen(most, few, prevalence=0.9) == ("a", "b")
    assert chosen(most, few, prevalence=0.91) == ("a",)


def test_the_mean_is_over_samples_that_measure_the_gene():
    assert chosen(study({"a": [9], "b": [2]}), study({"a": [9]}), prevalence=0.5, min_cpm=1.5) == ("a", "b")


def test_the_order_of_studies_and_genes_does_not_matter():
    one, two = study({"c": [5, 6], "a": [7, 8]}), study({"a": [1, 9], "c": [4, 4], "b": [9, 9]})
    assert chosen(one, two) == chosen(two, one) == ("a", "c")


def test_a_sample_without_any_read_counts_as_zero():
    assert chosen(study({"a": [4]}), study({"a": [0]}, total=0)) == ("a",)


def test_a_panel_without_genes_is_refused():
    with pytest.raises(GeneError, match=r"corpus: no gene is measured in 90% .* data.panel_min_cpm"):
        chosen(study({"a": [0.5]}))
    with pytest.raises(GeneError):
        MeasuredGenes().panel(0.9, 1.0)


def test_sums_of_pieces_are_those_of_the_whole_and_survive_a_file(tmp_path):
    one, two = study({"c": [5, 6], "a": [7, 8]}), study({"a": [1, 9], "c": [4, 4], "b": [9, 9]})
    whole, first, second = MeasuredGenes(), MeasuredGenes(), MeasuredGenes()
    for genes, samples in ((whole, one), (whole, two), (first, one), (second, two)):
        add(genes, samples)
    second.save(tmp_path / "genes.parquet")
    first.merge(MeasuredGenes.load(tmp_path / "genes.parquet"))
    assert (first.n_samples, first.n_studies) == (whole.n_samples, whole.n_studies) == (4, 2)
    pd.testing.assert_frame_equal(first._sums, whole._sums)
    assert first.panel(0.5, 1.0).ids == ("a", "b", "c")


def test_a_panel_may_be_kept_to_given_genes():
    genes = MeasuredGenes()
    add(genes, study({"a": [5], "b": [5]}))
    assert genes.panel(0.9, 1.0, among=frozenset("bz")).ids == ("b",)


def two_samples(**cpm: float) -> AnnData:
    """Two samples of a million reads with these mean counts of genes."""
    counts_ng = np.array([list(cpm.values())] * 2, np.float32)
    obs = pd.DataFrame({"total": [1e6, 1e6]}, index=["s0", "s1"])
    return AnnData(obs=obs, var=pd.DataFrame(index=list(cpm)), layers={"counts": counts_ng})


def test_genes_that_two_studies_of_the_corpus_measure_and_any_study_expresses():
    genes = MeasuredGenes()
    add(genes, two_samples(both=5, quiet=0.5, once=9, loud_in_task=0), teaches=True)
    add(genes, two_samples(both=0, quiet=1.0, loud_in_task=0.1), teaches=True)
    add(genes, two_samples(both=0, once=9, loud_in_task=7, of_task=9), teaches=False)
    assert genes.wide().ids == ("both", "loud_in_task")


def test_one_study_of_a_corpus_measures_enough():
    genes = MeasuredGenes()
    add(genes, two_samples(a=5, b=0), teaches=True)
    add(genes, two_samples(a=5, c=5), teaches=False)
    assert genes.wide().ids == ("a",)


def test_without_a_corpus_every_expressed_gene_of_the_tables_stays():
    genes = MeasuredGenes()
    add(genes, two_samples(a=5, b=0.2), teaches=False)
    add(genes, two_samples(c=5), teaches=False)
    assert genes.wide().ids == ("a", "c")


def test_no_gene_at_all_is_refused():
    genes = MeasuredGenes()
    add(genes, two_samples(a=0.1), teaches=True)
    with pytest.raises(GeneError, match="no gene that 1 of its studies measure"):
        genes.wide()
