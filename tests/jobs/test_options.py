from pathlib import Path

import pytest

from jobs.aliases import ALIASES
from jobs.options import parse_options, recipe_fields, take_recipe
from rnalearner.config import load_recipe
from rnalearner.errors import RecipeError


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["--lr", "0.01"], {"finetune.learning_rate": 0.01}),
        (["--pretrain.max_steps=200"], {"pretrain.max_steps": 200}),
        (["--figures.umap", "false"], {"figures.umap": False}),
        (["--arms", "none,guided"], {"finetune.arms": ["none", "guided"]}),
        (["--arms", "none"], {"finetune.arms": ["none"]}),
        (["--clustering.k_list", "[3, 5]"], {"clustering.k_list": [3, 5]}),
        (["--pretrain.seed", "-1"], {"pretrain.seed": -1}),
        (["--root", "a=b"], {"data.root": "a=b"}),
        (["--seeds", "2", "--seeds", "3"], {"finetune.seeds": 3}),
        ([], {}),
    ],
)
def test_words_become_fields(words: list[str], options: dict[str, object]):
    assert parse_options(words) == options


def test_names_and_paths_stay_text_even_where_they_look_like_numbers():
    options = parse_options(["--name", "2024", "--root", "1e3", "--genes", "7", "--data.projects", "12,13"])
    config = load_recipe(None, options)
    assert (config.name, config.data.root, config.data.genes) == ("2024", Path("1e3"), Path("7"))
    assert config.data.projects == ("12", "13")


def test_a_number_for_an_optional_field_is_a_number():
    assert load_recipe(None, parse_options(["--ray.num_cpus", "3"])).ray.num_cpus == 3


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--max_step", "3"], ("--max_step", "pretrain.max_steps")),
        (["--nonsense", "3"], ("--nonsense", "rnalearner fields")),
        (["steps", "3"], ("steps", "no option")),
        (["--steps"], ("--steps", "has no value")),
        (["--lr", "0.1", "recipe.toml"], ("recipe.toml", "no option")),
    ],
)
def test_a_word_that_is_no_option_is_named(words: list[str], parts: tuple[str, ...]):
    with pytest.raises(RecipeError) as caught:
        parse_options(words)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_every_field_has_a_default_and_its_alias_is_a_field():
    fields = dict(recipe_fields())
    assert set(ALIASES.values()) <= fields.keys()
    assert "data.simulation.n_genes" in fields
    assert not set(ALIASES) & fields.keys()


def test_every_default_given_as_an_option_changes_nothing():
    for name, field in recipe_fields():
        value = field.get_default(call_default_factory=True)
        if isinstance(value, bool | int | float | str):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            assert load_recipe(None, parse_options([f"--{name}", text])) == load_recipe(None), name


@pytest.mark.parametrize(
    "words",
    [["r.toml", "--seeds", "3"], ["--seeds", "3", "r.toml"], ["--seeds=3", "r.toml"], ["--seeds", "3"], []],
    ids=" ".join,
)
def test_a_recipe_may_stand_before_or_after_the_options(words: list[str]):
    recipe, options = take_recipe(words)
    assert recipe == (Path("r.toml") if "r.toml" in words else None)
    assert options == [word for word in words if word != "r.toml"]
