"""A part of a mirror of recount3, and the recipe that reads it."""

import json
from pathlib import Path
from typing import Any

import tomli_w

from rnalearner.config import RunConfig
from rnalearner.counts.recount3 import sample_list_file
from rnalearner.fetch.recount3_files import read_index


def first_projects(mirror: Path, n_samples: int) -> dict[str, int]:
    """Projects in the order of the sample list, until they have `n_samples`; with their sizes."""
    taken: dict[str, int] = {}
    for project, runs in read_index(sample_list_file(mirror)).items():
        if sum(taken.values()) >= n_samples:
            break
        taken[project] = len(runs)
    return taken


def write_recipe(
    path: Path, mirror: Path, projects: dict[str, int], wide: bool = False, **sections: dict[str, Any]
) -> None:
    """A recipe as a user would write one; `sections` (clustering={"k": 30}) over the defaults."""
    data = {"source": "recount3", "root": str(mirror.resolve().parent), "corpus": mirror.name}
    recipe = {"name": "scale", "data": {**data, "projects": list(projects), "wide": wide}, **sections}
    RunConfig.model_validate(recipe)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps(recipe))


def true_tissues(mirror: Path) -> dict[str, int]:
    """The answer that a simulated mirror brings along: project -> tissue."""
    answer = json.loads((mirror / "answer.json").read_text())
    return {project["name"]: project["tissue"] for project in answer["projects"]}
