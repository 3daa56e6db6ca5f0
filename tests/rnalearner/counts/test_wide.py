import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from rnalearner.counts.wide import WideGenes
from rnalearner.errors import GeneError


def study(**cpm: float) -> AnnData:
    """Two samples of a million reads with these mean counts of genes."""
    counts_ng = np.array([list(cpm.values())] * 2, np.float32)
    obs = pd.DataFrame({"total": [1e6, 1e6]}, index=["s0", "s1"])
    return AnnData(obs=obs, var=pd.DataFrame(index=list(cpm)), layers={"counts": counts_ng})


def test_genes_that_two_studies_of_the_corpus_measure_and_any_study_expresses():
    genes = WideGenes()
    genes.add(study(both=5, quiet=0.5, once=9, loud_in_task=0), teaches=True)
    genes.add(study(both=0, quiet=1.0, loud_in_task=0.1), teaches=True)
    genes.add(study(both=0, once=9, loud_in_task=7, of_task=9), teaches=False)
    assert genes.choose().ids == ("both", "loud_in_task")


def test_one_study_of_a_corpus_measures_enough():
    genes = WideGenes()
    genes.add(study(a=5, b=0), teaches=True)
    genes.add(study(a=5, c=5), teaches=False)
    assert genes.choose().ids == ("a",)


def test_without_a_corpus_every_expressed_gene_of_the_tables_stays():
    genes = WideGenes()
    genes.add(study(a=5, b=0.2), teaches=False)
    genes.add(study(c=5), teaches=False)
    assert genes.choose().ids == ("a", "c")


def test_no_gene_at_all_is_refused():
    genes = WideGenes()
    genes.add(study(a=0.1), teaches=True)
    with pytest.raises(GeneError, match="no gene that 1 of its studies measure"):
        genes.choose()
