"""Options are names of recipe fields: `--pretrain.max_steps 200`, or a short alias."""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jobs.adopt import started_from
from jobs.aliases import ALIASES
from rnalearner.config import RunConfig, load_recipe
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout


def recipe_fields(model: type[BaseModel] = RunConfig, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every field of a recipe with its dotted name, in order."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from recipe_fields(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def resolved(words: Sequence[str], out: Path | None) -> RunConfig:
    """The recipe of a command line, options and published model included.

    Without a recipe among the `words` it is that of the run in `out`, or else the defaults.
    """
    recipe, options = take_recipe(words)
    if recipe is None and out is not None and RunLayout(out).recipe.exists():
        recipe = RunLayout(out).recipe
    return started_from(load_recipe(recipe, parse_options(options)))


def take_recipe(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The one word that is neither an option nor an option's value, and the others in their order."""
    place = 0
    while place < len(words) and words[place].startswith("--"):
        place += 1 if "=" in words[place] else 2
    if place >= len(words):
        return None, list(words)
    return Path(words[place]), [*words[:place], *words[place + 1 :]]


def parse_options(words: Sequence[str]) -> dict[str, Any]:
    """`["--lr", "0.01"]` -> `{"finetune.learning_rate": 0.01}`; raises RecipeError naming the option."""
    known = dict(recipe_fields())
    options: dict[str, Any] = {}
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        name, has_value, value = word.removeprefix("--").partition("=")
        field = ALIASES.get(name, name)
        if not word.startswith("--") or field not in known:
            near = ", ".join(sorted(f for f in known if name.split(".")[-1] in f)[:3])
            remedy = f"did you mean {near}?" if near else "see `rnalearner fields`"
            raise RecipeError(word, "is no option and no field of a recipe", remedy.rstrip("?"))
        if not has_value:
            if not remaining:
                raise RecipeError(word, "has no value", "write it after the option")
            value = remaining.pop(0)
        options[field] = _value(value, known[field])
    return options


def _value(text: str, field: FieldInfo) -> Any:
    """A number, truth value or list as TOML reads it, else the text; `a,b` where a list is wanted."""
    wants_list = get_origin(field.annotation) is tuple
    if not wants_list and {str, Path} & {field.annotation, *get_args(field.annotation)}:
        return text  # a run may be called 2024
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return [part for part in text.split(",") if part] if wants_list and not isinstance(value, list) else value
