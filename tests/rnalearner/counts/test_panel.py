import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from rnalearner.counts.panel import PanelStatistics
from rnalearner.errors import GeneError


def study(counts: dict[str, list[float]], total: float = 1e6) -> AnnData:
    """Samples of which each has `total` reads, so that at 1e6 a count is its CPM."""
    counts_ng = np.array(list(counts.values()), dtype=np.float32).T
    obs = pd.DataFrame({"total": np.full(len(counts_ng), total)}, index=list(map(str, range(len(counts_ng)))))
    return AnnData(obs=obs, var=pd.DataFrame(index=list(counts)), layers={"counts": counts_ng})


def chosen(*studies: AnnData, prevalence: float = 0.9, min_cpm: float = 1.0) -> tuple[str, ...]:
    statistics = PanelStatistics()
    for samples in studies:
        statistics.add(samples)
    return statistics.choose(prevalence, min_cpm).ids


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
        PanelStatistics().choose(0.9, 1.0)
