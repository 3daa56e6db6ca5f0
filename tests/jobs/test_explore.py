from pathlib import Path

import pandas as pd
import pytest

from jobs.explore import explore
from rnalearner.config import RunConfig
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout
from tests.toy_corpus import write_toy_corpus


def say_nothing(label, done, total, note="", figures=None):
    pass


def recipe(*tasks: tuple[str, str], k: int = 3) -> RunConfig:
    """The toy corpus has eight samples in each of the studies S0 to S5."""
    named = [{"name": f"t{train}", "train": train, "test": test} for train, test in tasks]
    clustering = {"k_list": [2, 3, 60], "k": k, "n_components": 4}
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
