"""When gene vectors must be made anew, and what they are judged by, on a simulated compendium."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jobs.phase import delivered, fingerprint
from jobs.run import PIPELINE, run_verb
from rnalearner.config import RunConfig, load_recipe
from rnalearner.errors import GeneError
from rnalearner.layout import RunLayout
from rnalearner.model.gene2vec import GeneVectors

RECIPE = Path(__file__).resolve().parents[2] / "jobs" / "recipes" / "smoke.toml"
METHODS = ("skipgram", "covariance")


def say_nothing(label, done, total, note="", figures=None):
    pass


def mark(**options: object) -> str:
    config: RunConfig = load_recipe(None, {name.replace("__", "."): value for name, value in options.items()})
    return fingerprint(PIPELINE["gene2vec"], PIPELINE, config)


def test_covariance_vectors_depend_on_which_studies_are_held_out():
    covariance = {"gene2vec__method": "covariance"}
    assert mark(**covariance, pretrain__seed=1) != mark(**covariance)
    assert mark(**covariance, pretrain__validation_share=0.3) != mark(**covariance)
    assert mark(**covariance, pretrain__max_steps=7) == mark(**covariance)


def test_skip_gram_vectors_do_not():
    assert mark(pretrain__seed=1) == mark()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    layout = RunLayout(tmp_path_factory.mktemp("gene2vec") / "run")
    run_verb("ingest", load_recipe(RECIPE), layout, say_nothing)
    return layout


@pytest.fixture(scope="module")
def sets(simulated: RunLayout) -> Path:
    """The compendium's own modules, and as many sets of genes drawn at random."""
    modules = json.loads((simulated.simulated / "answer.json").read_text())["modules"]
    genes = sorted(gene for module in modules for gene in module)
    rng = np.random.default_rng(0)
    # Half of a module's genes fall when it rises: the loading's sign is the gene's.
    rows = [(f"module {i}", gene, loading) for i, of in enumerate(modules) for gene, loading in of.items()]
    drawn = [(i, gene) for i in range(len(modules)) for gene in rng.choice(genes, 8, replace=False)]
    rows += [(f"drawn {i}", gene, 1.0) for i, gene in drawn]
    table = pd.DataFrame(rows, columns=["set", "gene", "sign"])
    path = simulated.root.parent / "sets.csv"
    table.to_csv(path, index=False)
    return path


def judged(simulated: RunLayout, **options: Any) -> dict[str, Any]:
    config = load_recipe(RECIPE, {f"gene2vec.{name}": value for name, value in options.items()})
    figures: dict[str, Any] = run_verb("gene2vec", config, simulated, say_nothing)["gene2vec"]["figures"]
    return figures


@pytest.mark.parametrize("method", METHODS)
def test_members_of_a_simulated_module_lie_closer_than_random_genes(simulated, sets, method):
    figures = judged(simulated, sets=str(sets), method=method)
    table = pd.read_csv(simulated.vector_sets, index_col="set")
    is_module = table.index.str.startswith("module")
    assert is_module.sum() == 3
    assert (table["vectors"][is_module] > 0.8).all()
    assert abs(table["vectors"][~is_module].mean() - 0.5) < 0.2
    assert abs(table["random"].mean() - 0.5) < 0.15
    assert ("axes" in table) == (method == "skipgram")  # covariance vectors are these axes
    assert figures["sets"] == len(table)
    assert figures["set_auroc"] == pytest.approx(table["vectors"].mean(), abs=1e-4)
    assert figures["set_auroc_low"] < figures["set_auroc"] < figures["set_auroc_high"]
    assert delivered(PIPELINE["gene2vec"], simulated) == [simulated.vector_sets]


def test_a_sketch_of_a_third_of_the_samples_tells_modules_as_well(simulated, sets):
    whole = judged(simulated, sets=str(sets))
    few = judged(simulated, sets=str(sets), sketch_rows=whole["samples"] // 3)
    assert (few["sketch_rows"], few["samples"]) == (whole["samples"] // 3, whole["samples"])
    table = pd.read_csv(simulated.vector_sets, index_col="set")
    assert (table["vectors"][table.index.str.startswith("module")] > 0.75).all()


def test_loaded_vectors_are_judged_by_the_same_sets(simulated, sets, tmp_path):
    learned = judged(simulated, sets=str(sets))
    GeneVectors.load(simulated.gene_vectors).save(tmp_path / "vectors")
    loaded = judged(simulated, sets=str(sets), path=str(tmp_path / "vectors"))
    names = ("sets", "set_auroc", "set_auroc_axes", "set_auroc_random")
    assert {name: loaded[name] for name in names} == {name: learned[name] for name in names}


def test_without_a_table_nothing_is_judged_and_vectors_are_the_same(simulated, sets):
    judged(simulated, sets=str(sets))
    with_sets = GeneVectors.load(simulated.gene_vectors).vectors_gd
    figures = judged(simulated)
    assert not simulated.vector_sets.exists()
    assert not [name for name in figures if name.startswith("set")]
    np.testing.assert_array_equal(GeneVectors.load(simulated.gene_vectors).vectors_gd, with_sets)


def test_a_table_that_changes_is_judged_anew_and_one_that_is_not_there_is_named(simulated, sets, tmp_path):
    table = tmp_path / "own.csv"
    table.write_text(sets.read_text())
    first = judged(simulated, sets=str(table))
    assert judged(simulated, sets=str(table)) == first
    table.write_text("\n".join(sets.read_text().splitlines()[:40]))
    assert judged(simulated, sets=str(table))["sets"] < first["sets"]
    with pytest.raises(GeneError, match=r"no\.csv: there is no such file"):
        judged(simulated, sets=str(tmp_path / "no.csv"))
