from pathlib import Path

import pytest

from rnalearner.config.benchmark import benchmark_settings
from rnalearner.errors import RecipeError

WHERE = {"compendium": [Path("c")], "tasks": Path("tasks.csv")}


def test_nothing_said_asks_the_whole_protocol():
    settings = benchmark_settings(WHERE)
    assert (settings.k, settings.draws, settings.seeds) == ((1, 2, 3, 6), 30, 5)
    assert settings.arms == ("linear", "encoder")


def test_what_is_said_wins_over_the_preset_and_that_over_the_defaults():
    settings = benchmark_settings({**WHERE, "seeds": 1, "draws": None}, "quick")
    assert (settings.k, settings.draws, settings.seeds) == ((1, 3, 6), 10, 1)
    assert {"none", "pretrained", "guided", "guided_shuffled"} <= set(settings.arms)


def test_k_are_sorted_and_each_asked_once():
    assert benchmark_settings({**WHERE, "k": ["6", "1", "6"]}).k == (1, 6)


@pytest.mark.parametrize(
    ("given", "preset", "told"),
    [
        ({"k": ["0"]}, None, "--k: .*at least 1"),
        ({"k": ["few"]}, None, "--k: 'few' is not usable"),
        ({"draws": 0}, None, "--draws: 0 is not usable"),
        ({"draws_per_piece": 0}, None, "--draws-per-piece: 0"),
        ({"arms": []}, None, "--arms"),
        ({}, "slow", "--preset: there is no preset 'slow'; use quick"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(given, preset, told):
    with pytest.raises(RecipeError, match=told):
        benchmark_settings(WHERE | given, preset)
