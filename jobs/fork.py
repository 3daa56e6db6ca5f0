"""Go on from another run's Phase I without repeating it: its phases become the new run's own."""

import json
import os
import shutil
from pathlib import Path

from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout
from rnalearner.publish import publish_folder, write_json

FORKED = ("ingest", "explore", "gene2vec", "pretrain")


def fork(source: RunLayout, layout: RunLayout) -> None:
    """Link what `source` has completed of these phases into a new run, markers included.

    Files are published by rename, never changed in place, so the two runs may share them. Asked
    again, it does what is left to do: an attempt may be the second one. Raises RecipeError where
    `source` has nothing to go on from, or the run has begun phases of its own.
    """
    note = layout.root / "forked.json"
    complete = [name for name in FORKED if source.marker(name).exists()]
    if "pretrain" not in complete:
        raise RecipeError(source.root, "has no complete pretraining", "name the folder of a run that has")
    own = [name for name in FORKED if layout.phase(name).exists()]
    if _source_of(note) != str(source.root):
        if own:
            what = f"has a {own[0]} of its own already"
            raise RecipeError(layout.root, what, "choose another --out, or leave --from out")
        write_json(note, {"from": str(source.root)})
    for name in complete:
        if name not in own:
            with publish_folder(layout.phase(name)) as temporary:
                shutil.copytree(
                    source.phase(name),
                    temporary,
                    ignore=lambda folder, names: _private(source, folder, names),
                    copy_function=_link,
                    dirs_exist_ok=True,
                )


def _source_of(note: Path) -> str | None:
    try:
        return str(json.loads(note.read_text())["from"])
    except FileNotFoundError:
        return None


def _private(source: RunLayout, folder: str, names: list[str]) -> set[str]:
    """Ray's own storage, and what was being written when a process died."""
    return {name for name in names if name.startswith(".") or Path(folder, name) == source.ray_train}


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without hard links
        shutil.copy2(source, target)
