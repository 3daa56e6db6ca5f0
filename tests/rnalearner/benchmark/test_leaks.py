import gzip

import pandas as pd
import pytest

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.leaks import corpus_leaks, refuse_leaks, side_leaks
from rnalearner.benchmark.tasks import load_task, read_tasks
from rnalearner.config import PreprocessingConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import LeakError
from rnalearner.shards.corpus import corpus_rows
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter
from tests.toy_compendium import GENES, HEADER, write_counts


def copy_sample(folder, source, study, name):
    """Give sample `name` of `study` the counts of `source`, twice as deep."""
    tables = {}
    for each in (source.split("-")[0], study):
        with gzip.open(folder / f"{each}.tsv.gz", "rt") as file:
            tables[each] = pd.read_csv(file, sep="\t", index_col=0)
    tables[study][name] = 2 * tables[source.split("-")[0]][source]
    write_counts(folder, study, tables[study])


def loaded(folder, *names):
    compendium = Compendium([folder])
    tasks = {task.name: task for task in read_tasks(folder / "tasks.csv")}
    return [load_task(compendium, tasks[name]) for name in names]


@pytest.fixture
def store_of(folder, tmp_path):
    """A run's store of some of the compendium's studies."""

    def make(*studies):
        compendium = Compendium([folder])
        with ShardWriter(
            tmp_path / "shards", GeneSet(GENES), PreprocessingConfig(min_expressed_genes=1), ShardConfig()
        ) as writer:
            for study in studies:
                counts = compendium.counts(study)
                obs = compendium.rows(study)[["sample", "study", "subject"]].assign(
                    modality="bulk", tissue=""
                )
                total = {"total": counts.total_n, "n_expressed": len(GENES)}
                writer.add(counts.counts_nh, obs.assign(**total).reset_index(drop=True))
        return ShardStore.open(tmp_path / "shards")

    return make


def leaks_of(store, tasks):
    return corpus_leaks(store, corpus_rows(store.obs, ()).rows, tasks)


def test_strangers_do_not_leak(folder, store_of):
    tasks = loaded(folder, "first", "pair")
    assert leaks_of(store_of("two", "other"), tasks) == {"first": [], "pair": []}


def test_a_study_in_the_corpus_is_told_with_its_subjects_and_profiles(folder, store_of):
    leaks = leaks_of(store_of("one", "two"), loaded(folder, "first", "pair"))
    assert leaks["pair"] == []
    study, subjects, profiles = leaks["first"]
    assert study == "first: study one is in the run's corpus"
    assert subjects.startswith("first: 10 subjects of one are in the run's corpus: a0, a1")
    assert profiles.startswith("first: 10 pairs of a task's sample and a corpus sample of one correlate")


def test_subjects_of_either_side_are_found_in_other_studies(folder, store_of):
    sheet = pd.read_csv(folder / "samples.csv")
    sheet.loc[sheet["sample"] == "other-3", "subject"] = "c9"
    sheet.to_csv(folder / "samples.csv", index=False)
    assert leaks_of(store_of("other"), loaded(folder, "pair"))["pair"] == [
        "pair: 1 subjects of nerve are in the run's corpus: c9"
    ]


def test_a_sample_under_another_name_in_the_corpus_is_found(folder, store_of):
    copy_sample(folder, "muscle-2", "other", "other-5")
    (told,) = leaks_of(store_of("other"), loaded(folder, "pair"))["pair"]
    assert "muscle-2 and other-5" in told


def test_a_sample_of_one_side_under_another_name_on_the_other_is_found(folder):
    assert side_leaks(loaded(folder, "pair")[0]) == []
    copy_sample(folder, "muscle-2", "nerve", "nerve-5")
    (told,) = side_leaks(loaded(folder, "pair")[0])
    assert told.startswith("pair: training sample muscle-2 of c2 and test sample nerve-5 of c5 correlate")


def test_one_mouse_on_both_sides_is_for_the_draws_to_mind(folder):
    copy_sample(folder, "muscle-2", "nerve", "nerve-2")
    assert side_leaks(loaded(folder, "pair")[0]) == []


def test_a_study_on_both_sides_of_a_pair_is_a_leak(folder):
    (folder / "tasks.csv").write_text(HEADER + "self,one->one+two,label,ill,well,\n")
    assert side_leaks(loaded(folder, "self")[0]) == ["self: one is on both sides"]


def test_leaks_are_refused_unless_they_are_allowed():
    refuse_leaks([])
    with pytest.raises(LeakError, match="x is in y"):
        refuse_leaks(["x is in y", "and more"])
    refuse_leaks(["x is in y"], allow_leak=True)
