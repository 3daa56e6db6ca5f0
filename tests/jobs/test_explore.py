import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from jobs.explore import explore
from jobs.phase import Phase, run_phase
from jobs.run import PIPELINE
from rnalearner.clustering.assign import centres_from, nearest
from rnalearner.clustering.pieces import StoredValues, pieces
from rnalearner.clustering.stored import StoredClusters
from rnalearner.clustering.streaming import streamed_components, streamed_scores
from rnalearner.config import PreprocessingConfig, RunConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.each import threads
from rnalearner.errors import CheckpointError, RecipeError
from rnalearner.layout import RunLayout
from rnalearner.preprocessing.normalize import Scale
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter
from tests.toy_corpus import toy_obs, write_toy_corpus

ROOT = Path(__file__).resolve().parents[2]


def say_nothing(label, done, total, note="", figures=None):
    pass


def stored_in(layout: RunLayout) -> StoredClusters:
    store = ShardStore.open(layout.shards)
    scale = Scale.of(store.preprocessing).as_dict()
    return StoredClusters.load(layout.components, store.gene_set.sha256, scale)


def recipe(*tasks: tuple[str, str], k: int = 3, onto: Path | None = None) -> RunConfig:
    """The toy corpus has eight samples in each of the studies S0 to S5."""
    named = [{"name": f"t{train}", "train": train, "test": test} for train, test in tasks]
    clustering = {"k_list": [2, 3, 60], "k": k, "n_components": 4, "onto": onto}
    return RunConfig.model_validate(
        {"clustering": clustering, "figures": {"umap": False, "n_components": 3}, "tasks": named}
    )


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    layout = RunLayout(tmp_path / "run")
    write_toy_corpus(layout.shards)
    return layout


def test_the_samples_of_tasks_are_not_explored(layout: RunLayout):
    figures = explore(recipe(("S0", "S1")), layout, say_nothing)
    table = pd.read_csv(layout.sample_clusters)
    assert set(table["study"]) == {"S2", "S3", "S4", "S5"}
    assert (figures["bulk_samples"], figures["studies"], figures["k"]) == (32, 4, 3)


def test_where_there_are_only_tasks_they_are_what_is_shown(layout: RunLayout):
    every = (("S0", "S1"), ("S2", "S3"), ("S4", "S5"))
    figures = explore(recipe(*every, k=60), layout, say_nothing)
    table = pd.read_csv(layout.sample_clusters)
    assert len(table) == 48
    assert figures["k"] == 3
    assert table["sample_cluster"].tolist() == table["k3"].tolist()


def test_a_k_beyond_the_corpus_is_refused_because_scouts_need_it(layout: RunLayout):
    with pytest.raises(RecipeError, match=r"clustering\.k = 60 is not below the 32 bulk samples"):
        explore(recipe(("S0", "S1"), k=60), layout, say_nothing)


def test_nothing_but_what_it_draws_and_computes_with_is_imported(layout: RunLayout):
    code = (
        "import sys; from pathlib import Path; from jobs.run import PIPELINE\n"
        "from rnalearner.config import RunConfig; from rnalearner.layout import RunLayout\n"
        "said = {'figures': {'umap': False}, 'clustering': {'k': 3, 'k_list': [3]}}\n"
        "config = RunConfig.model_validate(said)\n"
        "PIPELINE['explore'].work(config, RunLayout(Path(sys.argv[1])), lambda *told, **more: None)\n"
        "print([name for name in ('torch', 'ray', 'umap', 'numba') if name in sys.modules])"
    )
    words = [sys.executable, "-c", code, str(layout.root)]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    assert said.stdout.strip() == "[]"


def test_what_an_interrupted_attempt_finished_is_not_made_again(layout: RunLayout):
    explore(recipe(("S0", "S1")), layout, say_nothing)
    before = layout.sample_clusters.read_bytes()
    choice = layout.k_choice.read_bytes()
    told: list[str] = []
    layout.sample_clusters.unlink()
    layout.k_choice.unlink()
    explore(recipe(("S0", "S1")), layout, lambda label, *told_of, **more: told.append(label))
    assert set(told) == {"explore"}  # no pass over the samples
    assert layout.sample_clusters.read_bytes() == before
    assert layout.k_choice.read_bytes() == choice


def test_an_attempt_that_ended_before_k_means_goes_on_with_its_components(layout: RunLayout):
    explore(recipe(("S0", "S1")), layout, say_nothing)
    before = layout.sample_clusters.read_bytes()
    stored = stored_in(layout)
    stored.with_centres({}).save(layout.components)
    explore(recipe(("S0", "S1")), layout, say_nothing)
    assert layout.sample_clusters.read_bytes() == before
    assert set(stored_in(layout).centres) == {2, 3}


def test_old_samples_keep_their_sample_clusters_when_a_corpus_grows(layout: RunLayout, tmp_path: Path):
    explore(recipe(("S0", "S1")), layout, say_nothing)
    grown = RunLayout(tmp_path / "grown")
    write_toy_corpus(grown.shards, n_studies=11)
    config = recipe(("S0", "S1"), onto=layout.components)
    figures = explore(config, grown, say_nothing)
    old, new = (pd.read_csv(one.sample_clusters).set_index("sample") for one in (layout, grown))
    assert len(new) == len(old) + 40
    pd.testing.assert_frame_equal(new.loc[old.index], old)
    assert figures["onto"] == str(layout.components)
    assert (grown.components / "weights.safetensors").read_bytes() == (
        layout.components / "weights.safetensors"
    ).read_bytes()
    refitted = RunLayout(tmp_path / "refitted")
    write_toy_corpus(refitted.shards, n_studies=11)
    explore(recipe(("S0", "S1")), refitted, say_nothing)
    assert refitted.sample_clusters.read_bytes() != grown.sample_clusters.read_bytes()


def test_components_of_other_genes_are_not_applied(layout: RunLayout, tmp_path: Path):
    explore(recipe(("S0", "S1")), layout, say_nothing)
    stored = stored_in(layout)
    replace(stored, meta={**stored.meta, "gene_set": "another"}).save(tmp_path / "other")
    with pytest.raises(CheckpointError, match="its gene set is another, not"):
        explore(recipe(("S0", "S1"), onto=tmp_path / "other"), layout, say_nothing)


def test_a_k_without_stored_centres_is_named(layout: RunLayout, tmp_path: Path):
    explore(recipe(("S0", "S1")), layout, say_nothing)
    with pytest.raises(RecipeError, match=r"clustering\.k = 60 has no centres in"):
        explore(recipe(("S0", "S1"), k=60, onto=layout.components), layout, say_nothing)


def test_a_phase_that_runs_again_leaves_the_components_that_it_is_to_apply(layout: RunLayout):
    ingested = Phase("ingest", (), lambda c: (), lambda *told: {})
    phases = {"ingest": ingested, "explore": PIPELINE["explore"]}
    run_phase(ingested, phases, recipe(), layout, say_nothing)
    write_toy_corpus(layout.shards)
    run_phase(phases["explore"], phases, recipe(), layout, say_nothing)
    before = layout.sample_clusters.read_bytes()
    layout.k_choice.write_text("old")
    onto = recipe(onto=layout.components)
    run_phase(phases["explore"], phases, onto, layout, say_nothing)
    assert layout.sample_clusters.read_bytes() == before
    assert layout.k_choice.read_text() != "old"


def test_sample_clusters_are_those_of_scikit_learn_from_the_same_first_samples(tmp_path: Path):
    """PCA and k-means of all samples in memory, against streaming ones, both from the same centres."""
    rng = np.random.default_rng(0)
    genes = GeneSet(tuple(f"ENSMUSG{g:011d}" for g in range(60)))
    kind_n = rng.integers(0, 6, 1500)
    log2_ng = rng.uniform(3, 8, 60) + rng.normal(0, 1.5, (6, 60))[kind_n] + rng.normal(0, 0.8, (1500, 60))
    counts_ng = rng.poisson(2**log2_ng).astype(np.float32)
    counts_ng[:300, :5] = np.nan
    with ShardWriter(tmp_path / "shards", genes, PreprocessingConfig(), ShardConfig()) as writer:
        names = [f"s{i}" for i in range(1500)]
        writer.add(counts_ng, toy_obs(names, counts_ng))
    store = ShardStore.open(tmp_path / "shards")
    rows = np.arange(1500)
    first_n = rng.choice(1500, 6, replace=False)

    values_ng = store.values(rows)
    centred_ng = np.nan_to_num(values_ng - np.nanmean(values_ng, axis=0), nan=0.0)
    theirs_nk = PCA(10, svd_solver="full").fit_transform(centred_ng)
    theirs = KMeans(6, init=theirs_nk[first_n], n_init=1).fit_predict(theirs_nk)

    cut = pieces(rows, store.group_starts)
    read = StoredValues(store)
    fit = streamed_components(read, cut, 10, rng, start_rows=100, each=threads(2))
    ours_nk = streamed_scores(read, cut, fit.components, each=threads(2))
    ours = nearest(ours_nk, centres_from(ours_nk, first_n))
    assert fit.passes >= 2
    assert adjusted_rand_score(theirs, ours) >= 0.98
    assert adjusted_rand_score(kind_n, ours) > 0.3
    again = pickle.loads(pickle.dumps(read))  # what goes to another process opens the store there
    np.testing.assert_array_equal(again(rows[:50]), read(rows[:50]))
