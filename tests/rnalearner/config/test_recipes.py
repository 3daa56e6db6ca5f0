import json
import subprocess
import sys
from pathlib import Path

import pytest

from rnalearner.config import RunConfig, load_recipe
from rnalearner.errors import RecipeError

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted((ROOT / "jobs" / "recipes").glob("*.toml"))


@pytest.fixture
def recipe(tmp_path: Path):
    """Write a recipe; returns its path."""

    def write(text: str, name: str = "r.toml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_parses_and_is_called_like_its_file(path: Path):
    assert load_recipe(path).name == path.stem


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_resolved_recipe_read_again_is_the_same(path: Path, tmp_path: Path):
    config = load_recipe(path, {"pretrain.max_steps": 7})
    resolved = tmp_path / "recipe.json"
    resolved.write_text(config.model_dump_json(indent=2))
    assert load_recipe(resolved) == config
    assert config.pretrain.max_steps == 7


def test_there_are_recipes():
    assert {"smoke", "demo"} <= {path.stem for path in RECIPES}


def test_without_a_recipe_every_field_has_its_default():
    assert load_recipe(None) == RunConfig()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[pretrain]\nstep = 3", ("pretrain.step", "3", "Extra inputs")),
        ("[pretrain]\nmax_steps = 'many'", ("pretrain.max_steps", "'many'", "integer")),
        ("[pretrain]\nmax_steps = 0", ("pretrain.max_steps", "0", "greater than or equal to 1")),
        ("[pretrain]\nlearning_rate = nan", ("pretrain.learning_rate", "nan")),
        ("[preprocessing]\nscale = 'tpm'", ("preprocessing.scale", "'tpm'", "log2p1_cpm")),
        ("[finetune]\narms = ['none', 'magic']", ("finetune.arms.1", "'magic'", "guided")),
        ("[[tasks]]\nname = 'a'", ("tasks.0.train", "required")),
        ("[[tasks]]\nname = 'a/b'\ntrain='1'\nvalidation='2'\ntest='3'", ("tasks.0.name", "'a/b'")),
        ("[scouting]\nstrategy = 'gene_sets'", ("needs a table of sets",)),
        ("[genes]\nstrategy = 'magic'", ("genes.strategy", "'magic'", "within_study")),
        ("[clustering]\nk = 7", ("k must be one of clustering.k_list",)),
        ("data = 3", ("data", "3")),
        ("pretrain = []", ("pretrain", "[]")),
    ],
)
def test_a_field_that_is_not_usable_is_named_with_its_value(recipe, text: str, named: tuple[str, ...]):
    path = recipe(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.where == str(path)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in named), str(caught.value)


def test_two_tasks_of_one_name_and_a_group_on_both_sides_are_refused():
    task = {"name": "a", "train": "1", "validation": "2", "test": "3"}
    with pytest.raises(RecipeError, match="two tasks have the same name"):
        load_recipe(None, {"tasks": [task, task]})
    with pytest.raises(RecipeError, match="'FLT' is in both groups of task a"):
        load_recipe(None, {"tasks": [task | {"negative": ["GC", "FLT"]}]})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("r.toml", "name = ", "cannot be parsed"),
        ("r.toml", "[a]\n[a]\n", "cannot be parsed"),
        ("r.json", '{"name": "x"', "cannot be parsed"),
        ("r.json", "[]", "recipe = [] is not usable"),
    ],
)
def test_text_that_is_no_recipe_is_refused(recipe, name: str, text: str, message: str):
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe(text, name))
    assert message in str(caught.value)


def test_bytes_a_folder_and_nothing_at_all_are_no_recipe(tmp_path: Path):
    (tmp_path / "r.toml").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "r.toml", tmp_path, tmp_path / "absent.toml"):
        with pytest.raises(RecipeError) as caught:
            load_recipe(path)
        assert caught.value.where == str(path)


def test_options_win_over_the_recipe_and_leave_the_rest(recipe):
    path = recipe("[pretrain]\nmax_steps = 5\nbatch_size = 3\n")
    config = load_recipe(path, {"pretrain.max_steps": 9, "data.root": "elsewhere", "name": "other"})
    assert (config.pretrain.max_steps, config.pretrain.batch_size) == (9, 3)
    assert (config.data.root, config.name) == (Path("elsewhere"), "other")


@pytest.mark.parametrize(("text", "name"), [("data = 3", "r.toml"), ("[]", "r.json")])
def test_an_option_for_what_is_no_table_is_refused(recipe, text: str, name: str):
    with pytest.raises(RecipeError, match="is no table"):
        load_recipe(recipe(text, name), {"data.root": "x"})


def test_a_recipe_never_changes_after_parsing():
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().pretrain.max_steps = 3  # type: ignore[misc]


def test_recipes_parse_without_torch_ray_or_numpy():
    program = (
        "import sys, json; from pathlib import Path; from rnalearner.config import load_recipe\n"
        f"load_recipe(Path({str(RECIPES[0])!r}))\n"
        "print(json.dumps([name for name in ('torch', 'ray', 'numpy', 'pandas') if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert json.loads(done.stdout) == []
