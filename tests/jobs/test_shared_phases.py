"""A run on two hosts that share a bucket: toy phases, a and b, each of which leaves a file."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.phase import Figures, Phase, Progress, run_phase
from jobs.run import run_verb
from rnalearner.config import RunConfig, load_recipe
from rnalearner.errors import InputError, RecipeError
from rnalearner.layout import RunLayout
from rnalearner.shared import hand_on
from rnalearner.storage import Storage
from tests.s3_server import new_bucket, s3_server

Run = Callable[..., list[str]]
ADDRESS = "127.0.0.1:6379"


def _progress(label: str, done: int, total: int, note: str = "", figures: object = None) -> None: ...


@pytest.fixture(scope="module", autouse=True)
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with s3_server(tmp_path_factory.mktemp("home")):
        yield


@pytest.fixture
def url() -> str:
    return f"{new_bucket()}/run"


@pytest.fixture
def addresses() -> dict[str, str | None]:
    """Where each phase would have found Ray."""
    return {}


@pytest.fixture
def run(url: str, tmp_path: Path, addresses: dict[str, str | None]) -> Run:
    """Run these phases on a host; returns the names of those that did work. `cut` is interrupted."""

    def run(host: str, names: str = "ab", cut: str = "", **options: object) -> list[str]:
        ran: list[str] = []

        def work(name: str, config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
            ran.append(name)
            addresses[name] = config.ray.address
            with (layout.phase(name) / "steps").open("a") as file:
                file.write(host)
            if name == cut:
                hand_on(layout, config.storage, [name])  # as rank 0 does with its state
                raise KeyboardInterrupt
            return {}

        def phase(name: str, section: str, needs: tuple[str, ...], spreads: bool) -> Phase:
            def own_work(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
                return work(name, config, layout, progress)

            return Phase(name, (section,), lambda config: needs, own_work, spreads=spreads)

        phases = {"a": phase("a", "data", (), False), "b": phase("b", "pretrain", ("a",), True)}
        given = {"storage.url": url, "ray.address": ADDRESS} | {
            name.replace("__", "."): value for name, value in options.items()
        }
        config = load_recipe(None, given)
        for name in names:
            run_phase(phases[name], phases, config, RunLayout(tmp_path / host), _progress)
        return ran

    return run


def steps(tmp_path: Path, host: str, phase: str) -> str:
    return (tmp_path / host / phase / "steps").read_text()


def test_what_is_complete_on_one_host_is_taken_over_by_another(run: Run, tmp_path: Path):
    assert run("1") == ["a", "b"]
    assert run("2") == []
    markers = [json.loads((tmp_path / host / "b" / "phase.json").read_text()) for host in "12"]
    assert markers[0] == markers[1]
    assert steps(tmp_path, "2", "b") == "1"


def test_a_phase_fetches_those_that_it_builds_on(run: Run, tmp_path: Path):
    run("1", "a")
    assert run("2", "b") == ["b"]
    assert steps(tmp_path, "2", "a") == "1"
    assert run("1", "b") == []


def test_what_was_cut_on_one_host_goes_on_on_another(run: Run, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        run("1", cut="b")
    assert run("2", "b") == ["b"]
    assert steps(tmp_path, "2", "b") == "12"


def test_what_another_recipe_left_is_not_taken_over(run: Run, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        run("1", cut="b")
    assert run("2", pretrain__max_steps=5) == ["b"]
    assert steps(tmp_path, "2", "b") == "2"
    assert run("1", pretrain__max_steps=5) == []
    assert steps(tmp_path, "1", "b") == "2"


def test_what_was_made_without_a_bucket_is_handed_on_later(run: Run, url: str):
    run("1", storage__url=None)
    assert Storage(url).names("") == []
    assert run("1") == []
    assert run("2") == []


def test_only_work_that_fetches_what_it_needs_leaves_the_host(run: Run, addresses: dict[str, str | None]):
    run("1")
    assert addresses == {"a": None, "b": ADDRESS}
    run("3", storage__url=None)
    assert addresses == {"a": ADDRESS, "b": ADDRESS}


def test_a_bucket_that_is_not_there_is_said_before_any_work(tmp_path: Path):
    config = load_recipe(None, {"storage.url": "s3://toy-that-nobody-made/run"})
    with pytest.raises(InputError, match="make the bucket"):
        run_verb("ingest", config, RunLayout(tmp_path), _progress)
    assert list(tmp_path.iterdir()) == []


def test_keys_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(RecipeError, match=r"storage\.url = \.\.\. .*give them in the environment") as refused:
        load_recipe(None, {"storage.url": "s3://toy:toy-secret@bucket/run"})
    assert "toy-secret" not in str(refused.value)
