"""More studies for a run that has shards: what is there keeps its bytes."""

import json
import uuid
from typing import Any

from jobs.downloads import downloaded
from jobs.phase import Figures, Phase, Progress, completed, fingerprint, inputs_of
from jobs.workers import workers
from rnalearner.config import RunConfig, load_recipe
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout

MAY_CHANGE = ("projects", "exclude", "tables", "osdr", "sheet", "address", "osdr_address", "allow_leak")
"""Fields of `data` that say which studies there are and where they come from; others decide what is made
of every sample, old ones too."""


def grow(
    config: RunConfig, layout: RunLayout, progress: Progress, phases: dict[str, Phase]
) -> dict[str, Figures]:
    """Add the studies that this recipe has and the run's shards lack; returns the marker of `ingest`.

    Later phases build on the shards as they now are, and run again when they are asked for; with
    `clustering.onto` the sample clusters of old samples stay. Raises RecipeError where the run has no
    complete shards, or the recipe differs in more than its studies.
    """
    from rnalearner.counts.sources import open_sources
    from rnalearner.finetune.leaks import checked_tasks
    from rnalearner.publish import write_json, write_text
    from rnalearner.shards.build import grow_shards
    from rnalearner.shards.read import ShardStore

    before = load_recipe(layout.recipe, {}) if layout.recipe.is_file() else None
    marker = None if before is None else completed(phases["ingest"], phases, before, layout)
    if before is None or marker is None:
        what = "has no complete shards of its recipe to add to"
        raise RecipeError(layout.root, what, "run `rnalearner ingest` first")
    if differing := _differing(before, config):
        what = f"{differing[0]} is not what the run's shards were made with"
        raise RecipeError(layout.root, what, "leave it as it was, or ingest into another --out")
    known = json.loads(layout.ingest_report.read_text())["studies"]
    data, not_downloaded = downloaded(config.data, layout, progress)
    with workers(config.ray) as each:
        manifest, added = grow_shards(
            open_sources(data, layout.simulated),
            config,
            layout.shards,
            lambda done, total, study: progress("studies", done, total, study),
            [study["study"] for study in known],
            layout.wide_shards if config.data.wide else None,
            each,
        )
    write_json(layout.ingest_report, {"studies": [*known, *added]})
    _, leaks = checked_tasks(ShardStore.open(layout.shards), config.tasks, config.data.allow_leak, ())
    reports = [*known, *added]
    left_out = not_downloaded | {s["study"]: s["left_out"] for s in reports if "left_out" in s}
    figures: dict[str, Any] = marker["figures"] | {
        "studies": sum("left_out" not in study for study in reports),
        "samples": manifest.n_obs,
        "samples_dropped": sum(study["n_samples"] - study["n_kept"] for study in reports),
        "version": manifest.version,
        "added": [study["study"] for study in added if study["n_kept"]],
    }
    figures |= {name: told for name, told in (("leaks", leaks), ("left_out", left_out)) if told}
    grown = marker | {
        "fingerprint": fingerprint(phases["ingest"], phases, config),
        "inputs": inputs_of(phases["ingest"], config),
        "figures": figures,
    }
    if manifest.n_obs != marker["figures"]["samples"]:  # else what was made from these shards is still true
        grown["made"] = uuid.uuid4().hex
    write_text(layout.recipe, config.model_dump_json(indent=2) + "\n")
    write_json(layout.phase("ingest") / "started.json", {key: grown[key] for key in ("fingerprint", "needs")})
    write_json(layout.marker("ingest"), grown)
    progress("grow", 1, 1, f"{len(figures['added'])} studies added")
    return {"ingest": grown}


def _differing(before: RunConfig, now: RunConfig) -> list[str]:
    """Fields, but those that may change, in which two recipes' shards differ."""
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    data = [name for name in old["data"] if name not in MAY_CHANGE and old["data"][name] != new["data"][name]]
    return [f"data.{name}" for name in data] + [
        section for section in ("preprocessing", "shards") if old[section] != new[section]
    ]
