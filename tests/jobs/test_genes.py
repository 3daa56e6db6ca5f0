"""The gene guide of a small simulated run."""

from pathlib import Path

import numpy as np
import pytest

from jobs.run import needed, run_verb
from rnalearner.config import RunConfig, load_recipe
from rnalearner.errors import GeneError
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.layout import RunLayout
from rnalearner.shards.corpus import corpus_rows
from rnalearner.shards.read import ShardStore

RECIPE = Path(__file__).resolve().parents[2] / "jobs" / "recipes" / "smoke.toml"


def say_nothing(label, done, total, note="", figures=None):
    pass


def recipe(**options: object) -> RunConfig:
    return load_recipe(RECIPE, {name.replace("__", "."): value for name, value in options.items()})


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    """With a panel of twenty of the simulation's genes."""
    layout = RunLayout(tmp_path_factory.mktemp("genes") / "run")
    run_verb("ingest", recipe(), layout, say_nothing)
    ids = ShardStore.open(layout.shards).gene_set.ids
    panel = layout.root.parent / "panel.txt"
    panel.write_text("\n".join(ids[:20]))
    run_verb("ingest", recipe(data__panel=str(panel)), layout, say_nothing)
    return layout


def test_scouts_see_genes_that_the_panel_does_not_hold(ingested):
    config = recipe(data__panel=str(ingested.root.parent / "panel.txt"))
    marker = run_verb("genes", config, ingested, say_nothing)["genes"]
    panel, wide = ShardStore.open(ingested.shards), ShardStore.open(ingested.wide_shards)
    guide = GeneGuide.load(ingested.gene_guide)
    assert len(panel.gene_set) == 20
    assert set(panel.gene_set.ids) < set(guide.genes) <= set(wide.gene_set.ids)
    assert marker["figures"]["genes"] == len(guide.genes)
    assert marker["figures"]["of_the_panel"] == 20
    assert wide.obs.equals(panel.obs)
    assert wide.preprocessing.scale == "log2p1_cpm"
    columns = [wide.gene_set.index[gene] for gene in panel.gene_set.ids]
    rows = np.arange(5)
    np.testing.assert_array_equal(wide.values(rows)[:, columns], panel.values(rows))


def test_no_task_s_study_scouts(ingested):
    config = recipe(data__panel=str(ingested.root.parent / "panel.txt"))
    run_verb("genes", config, ingested, say_nothing)
    studies = GeneGuide.load(ingested.gene_guide).meta["studies"]
    store = ShardStore.open(ingested.shards)
    assert tuple(studies) == corpus_rows(store.obs, config.tasks).studies
    assert not set(studies) & set(config.tasks[0].studies)


def test_without_wide_shards_the_panel_s_genes_scout(tmp_path):
    config, layout = recipe(data__wide=False), RunLayout(tmp_path / "run")
    run_verb("genes", config, layout, say_nothing, with_needs=True)
    assert not layout.wide_shards.exists()
    panel = ShardStore.open(layout.shards).gene_set.ids
    assert set(GeneGuide.load(layout.gene_guide).genes) <= set(panel)


def test_only_strategies_between_sample_clusters_need_them():
    assert needed("genes", recipe()) == ["ingest"]
    assert needed("genes", recipe(genes__strategy="graded")) == ["ingest", "explore"]


@pytest.mark.parametrize("strategy", ["cluster_pairs", "graded", "one_against_rest", "within_tissue"])
def test_every_strategy_that_needs_no_labels_runs(tmp_path, strategy):
    layout = RunLayout(tmp_path / "run")
    config = recipe(genes__strategy=strategy)
    run_verb("genes", config, layout, say_nothing, with_needs=True)
    assert GeneGuide.load(layout.gene_guide).meta["strategy"] == strategy


def test_a_table_of_gene_sets_is_read_and_its_change_noticed(ingested, tmp_path):
    ids = ShardStore.open(ingested.wide_shards).gene_set.ids
    table = tmp_path / "sets.csv"
    table.write_text("set,gene\n" + "".join(f"heat,{gene}\n" for gene in ids[:8]))
    told = {"data__panel": str(ingested.root.parent / "panel.txt"), "genes__strategy": "gene_sets"}
    config = recipe(**told, genes__sets=str(table))
    first = run_verb("genes", config, ingested, say_nothing)["genes"]
    assert not set(ids[:8]) & set(GeneGuide.load(ingested.gene_guide).genes)
    assert run_verb("genes", config, ingested, say_nothing)["genes"]["made"] == first["made"]
    table.write_text("set,gene\n" + "".join(f"heat,{gene}\n" for gene in ids[8:16]))
    run_verb("genes", config, ingested, say_nothing)
    assert set(ids[:8]) <= set(GeneGuide.load(ingested.gene_guide).genes)
    table.unlink()
    with pytest.raises(GeneError, match=r"sets.csv: there is no such file"):
        run_verb("genes", recipe(**told, genes__sets=str(table), genes__seed=1), ingested, say_nothing)


def test_real_genes_of_the_y_chromosome_scout_though_the_paper_s_panel_lacks_them(shared_data, tmp_path):
    """Ddx3y and Eif2s3y, and Xist of the X, follow sex inside a study; the panel holds Xist alone."""
    xist, others = "ENSMUSG00000086503", ("ENSMUSG00000069045", "ENSMUSG00000069049")
    options = {
        "data.source": "compendium",
        "data.root": str(shared_data),
        "data.projects": ("GSE96870", "ELS_male", "xpRNApy"),
        "data.panel": "osd/panel_15117.csv",
        "data.genes": "genes/mouse_ensembl_symbol.csv",
    }
    layout, config = RunLayout(tmp_path / "run"), load_recipe(None, options)
    run_verb("genes", config, layout, say_nothing, with_needs=True)
    assert xist in ShardStore.open(layout.shards).gene_set.index
    assert not set(others) & set(ShardStore.open(layout.shards).gene_set.ids)
    guide = GeneGuide.load(layout.gene_guide)
    assert {xist, *others} <= set(guide.genes)
    assert (guide.reindexed([xist, *others]).guide_g > 1.5).all()
    by_sets = load_recipe(
        None, options | {"genes.strategy": "gene_sets", "genes.sets": "genes/tf_targets_mouse.csv"}
    )
    marker = run_verb("genes", by_sets, layout, say_nothing)["genes"]
    assert marker["figures"]["contrasts"] == 3 * 24
