"""A run that goes on from another one's Phase I."""

import json
from pathlib import Path

import pytest

from jobs.fork import fork
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout


@pytest.fixture
def source(tmp_path: Path) -> RunLayout:
    """A run with a complete pretraining, an incomplete exploration, and what is nobody's but its own."""
    layout = RunLayout(tmp_path / "source")
    files = {
        "ingest/phase.json": "i",
        "ingest/shards/a.parquet": "shard",
        "gene2vec/phase.json": "g",
        "pretrain/phase.json": "p",
        "pretrain/base_checkpoint/weights": "w",
        "pretrain/base_checkpoint/.half": "h",
        "pretrain/ray/pretrain/state": "of Ray",
        "explore/started.json": "e",
        "scout/phase.json": "s",
        "recipe.json": "r",
    }
    for name, text in files.items():
        path = layout.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return layout


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout(tmp_path / "run")


def files(layout: RunLayout) -> set[str]:
    return {path.relative_to(layout.root).as_posix() for path in layout.root.rglob("*") if path.is_file()}


FORKED = {
    "forked.json",
    "ingest/phase.json",
    "ingest/shards/a.parquet",
    "gene2vec/phase.json",
    "pretrain/phase.json",
    "pretrain/base_checkpoint/weights",
}


def test_complete_phases_are_shared_and_nothing_else(source: RunLayout, layout: RunLayout):
    fork(source, layout)
    assert files(layout) == FORKED
    shared = Path("pretrain", "base_checkpoint", "weights")
    assert (source.root / shared).samefile(layout.root / shared)


def test_asked_again_it_does_what_is_left(source: RunLayout, layout: RunLayout):
    """As the second attempt of a job whose first one was killed in the middle, or went on from there."""
    fork(source, layout)
    layout.marker("pretrain").unlink()
    layout.marker("ingest").unlink()
    (layout.shards / "a.parquet").unlink()
    layout.shards.rmdir()
    layout.phase("ingest").rmdir()
    fork(source, layout)
    assert files(layout) == FORKED - {"pretrain/phase.json"}


def test_a_run_with_phases_of_its_own_is_refused(source: RunLayout, layout: RunLayout, tmp_path: Path):
    layout.phase("pretrain").mkdir(parents=True)
    with pytest.raises(RecipeError, match="has a pretrain of its own already"):
        fork(source, layout)
    assert files(layout) == set()
    fork(source, RunLayout(tmp_path / "other"))
    with pytest.raises(RecipeError, match="of its own already"):
        fork(RunLayout(tmp_path / "other"), source)


def test_a_run_without_a_pretraining_is_refused(source: RunLayout, layout: RunLayout):
    source.marker("pretrain").unlink()
    with pytest.raises(RecipeError, match="has no complete pretraining"):
        fork(source, layout)
    with pytest.raises(RecipeError, match="has no complete pretraining"):
        fork(RunLayout(layout.root / "absent"), layout)
    assert not layout.root.exists()


def test_without_hard_links_the_files_are_copied(
    source: RunLayout, layout: RunLayout, monkeypatch: pytest.MonkeyPatch
):
    def no_links(source: str, target: str) -> None:
        raise OSError

    monkeypatch.setattr("os.link", no_links)
    fork(source, layout)
    assert files(layout) == FORKED
    assert json.loads((layout.root / "forked.json").read_text()) == {"from": str(source.root)}
    assert not layout.marker("ingest").samefile(source.marker("ingest"))
