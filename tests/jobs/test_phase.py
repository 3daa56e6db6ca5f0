"""Phases of toys: a reads files and feeds b and c, and d needs both; each writes down that it ran."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs.phase import Figures, Phase, Progress, run_phase
from rnalearner.config import RunConfig, load_recipe
from rnalearner.errors import RecipeError
from rnalearner.layout import RunLayout

Run = Callable[..., list[str]]


def _progress(label: str, done: int, total: int, note: str = "", figures: object = None) -> None: ...


def _work(name: str, ran: list[str], fails: dict[str, Exception]) -> Callable[..., Figures]:
    def work(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
        ran.append(name)
        (layout.phase(name) / f"half-{len(ran)}").write_text("x")
        if name in fails:
            raise fails.pop(name)
        return {"steps": config.pretrain.max_steps}

    return work


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout(tmp_path / "run")


@pytest.fixture
def fails() -> dict[str, Exception]:
    """What to raise, once, in which phase."""
    return {}


@pytest.fixture
def run(layout: RunLayout, fails: dict[str, Exception], tmp_path: Path) -> Run:
    """Run these phases in order with options; returns the names of those that did work."""

    def inputs(config: RunConfig) -> list[Path]:
        return [tmp_path / "sheet.csv", tmp_path / "tables"]

    def run(names: str = "abcd", **options: object) -> list[str]:
        ran: list[str] = []
        plan = (("a", "data", ""), ("b", "pretrain", "a"), ("c", "scouting", "a"), ("d", "finetune", "bc"))
        phases = {
            n: Phase(
                n,
                (section,),
                lambda config, needs=needs: tuple(needs),
                _work(n, ran, fails),
                inputs if n == "a" else lambda c: (),
            )
            for n, section, needs in plan
        }
        config = load_recipe(None, {name.replace("__", "."): value for name, value in options.items()})
        for name in names:
            marker, did_run = run_phase(phases[name], phases, config, layout, _progress)
            assert did_run == (ran[-1:] == [name])
            assert marker == json.loads(layout.marker(name).read_text())
        return ran

    return run


def files(layout: RunLayout, name: str) -> set[str]:
    return {path.name for path in layout.phase(name).iterdir()}


def test_a_complete_phase_is_skipped_and_its_marker_says_what_was_found(run: Run, layout: RunLayout):
    assert run() == ["a", "b", "c", "d"]
    marker = json.loads(layout.marker("b").read_text())
    assert (marker["phase"], marker["figures"]) == ("b", {"steps": 1000})
    assert marker["seconds"] >= 0
    assert run() == []


def test_a_changed_section_runs_its_phase_and_what_builds_on_it(run: Run):
    run()
    assert run(pretrain__max_steps=5) == ["b", "d"]
    assert run(pretrain__max_steps=5) == []
    assert run(pretrain__max_steps=5, data__exclude=["x"]) == ["a", "b", "c", "d"]


def test_a_section_of_no_phase_changes_nothing(run: Run):
    run()
    assert run(name="other", ray__num_cpus=1) == []


def test_a_removed_marker_runs_its_phase_and_what_builds_on_it(run: Run, layout: RunLayout):
    run()
    layout.marker("c").unlink()
    assert run() == ["c", "d"]
    layout.marker("d").unlink()
    assert run() == ["d"]


def test_an_interrupted_phase_keeps_its_files(run: Run, layout: RunLayout, fails: dict[str, Exception]):
    fails["b"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run()
    assert not layout.marker("b").exists()
    (layout.phase("b") / "state").write_text("step 7")
    assert run() == ["b", "c", "d"]
    assert (layout.phase("b") / "state").read_text() == "step 7"


def test_what_another_recipe_left_is_removed_first(run: Run, layout: RunLayout, fails: dict[str, Exception]):
    fails["b"] = ValueError()
    with pytest.raises(ValueError):
        run()
    (layout.phase("b") / "state").write_text("step 7")
    run(pretrain__max_steps=5)
    assert files(layout, "b") == {"started.json", "phase.json", "half-1"}


def test_what_was_made_from_an_earlier_making_is_removed_first(
    run: Run, layout: RunLayout, fails: dict[str, Exception]
):
    fails["b"] = ValueError()
    with pytest.raises(ValueError):
        run()
    (layout.phase("b") / "state").write_text("step 7")
    layout.marker("a").unlink()
    assert run() == ["a", "b", "c", "d"]
    assert "state" not in files(layout, "b")


def test_an_exception_leaves_no_marker_and_stops_what_follows(
    run: Run, layout: RunLayout, fails: dict[str, Exception]
):
    fails["c"] = ValueError()
    with pytest.raises(ValueError):
        run()
    assert [name for name in "abcd" if layout.marker(name).exists()] == ["a", "b"]
    with pytest.raises(RecipeError, match="d needs c, which is not complete for this recipe"):
        run("d")


def test_a_failed_repetition_does_not_leave_the_older_marker(
    run: Run, layout: RunLayout, fails: dict[str, Exception]
):
    run()
    fails["b"] = ValueError()
    with pytest.raises(ValueError):
        run(pretrain__max_steps=5)
    assert not layout.marker("b").exists()


def test_a_phase_asks_for_the_one_that_it_lacks(run: Run, layout: RunLayout):
    with pytest.raises(RecipeError) as caught:
        run("b")
    assert caught.value.where == str(layout.root)
    assert "`rnalearner a`" in caught.value.remedy
    assert not layout.phase("b").exists()


def test_an_earlier_phase_of_another_recipe_does_not_count(run: Run, layout: RunLayout):
    run("a")
    with pytest.raises(RecipeError, match="b needs a"):
        run("b", data__exclude=["x"])
    run("bc")
    layout.marker("a").unlink()
    with pytest.raises(RecipeError, match="d needs b"):
        run("d")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fingerprint": "x"}'])
def test_a_damaged_marker_is_no_marker(run: Run, layout: RunLayout, text: str):
    run()
    layout.marker("c").write_text(text)
    assert run() == ["c", "d"]


def test_a_damaged_note_of_the_start_begins_anew(run: Run, layout: RunLayout, fails: dict[str, Exception]):
    fails["a"] = ValueError()
    with pytest.raises(ValueError):
        run()
    (layout.phase("a") / "started.json").write_text("{")
    assert run("a") == ["a"]
    assert files(layout, "a") == {"started.json", "phase.json", "half-1"}


def test_an_input_with_other_bytes_runs_all_again_but_a_lost_one_does_not(run: Run, tmp_path: Path):
    sheet, tables = tmp_path / "sheet.csv", tmp_path / "tables"
    sheet.write_text("FLT")
    tables.mkdir()
    run()
    sheet.touch()
    assert run() == []
    sheet.write_text("GCX")
    assert run() == ["a", "b", "c", "d"]
    (tables / "more.csv").write_text("1")
    assert run() == ["a", "b", "c", "d"]
    sheet.unlink()
    assert run() == []
