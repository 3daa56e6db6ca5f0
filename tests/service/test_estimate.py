"""The estimate: what it knows, and its silence where it knows nothing."""

from typing import Any

from service.jobs.attempt import Line
from service.jobs.estimate import PHASES, advance


def told(kind: str, *lines: tuple[float, str, dict[str, Any]]) -> dict[str, Any]:
    """Progress after these events."""
    progress = None
    for at, event, data in lines:
        progress = advance(progress, Line(at, event, data), kind)  # type: ignore[arg-type]
    assert progress is not None
    return progress


def phase(at: float, name: str, state: str) -> tuple[float, str, dict[str, Any]]:
    return at, "phase", {"name": name, "state": state}


def bar(at: float, label: str, done: int, total: int) -> tuple[float, str, dict[str, Any]]:
    return at, "progress", {"label": label, "done": done, "total": total, "note": "n"}


START = (100.0, "started", {"verb": "report"})


def test_it_shows_what_the_job_says_of_itself() -> None:
    shown = told("finetune", START, phase(101, "ingest", "running"), bar(102, "studies", 3, 8))
    assert [shown[name] for name in ("label", "done", "total", "note")] == ["studies", 3, 8, "n"]


def test_it_says_nothing_before_a_twentieth() -> None:
    shown = told("finetune", START, phase(101, "ingest", "running"), bar(102, "studies", 3, 8))
    assert (shown["share"], shown["remaining_s"]) == (None, None)


def test_it_extrapolates_by_the_phases_weights() -> None:
    shown = told(
        "finetune",
        START,
        phase(101, "ingest", "running"),
        phase(110, "ingest", "done"),
        phase(110, "finetune", "running"),
        bar(150, "finetune", 4, 8),
    )
    assert shown["share"] == (1 + 4) / 10
    assert shown["remaining_s"] == 50.0


def test_phases_that_an_earlier_attempt_completed_count_for_nothing() -> None:
    shown = told(
        "finetune",
        START,
        phase(100, "ingest", "complete"),
        phase(100, "finetune", "running"),
        bar(120, "finetune", 4, 8),
    )
    assert shown["share"] == round(4 / 9, 4)
    assert abs(shown["remaining_s"] - 25) < 0.1


def test_phases_that_it_has_no_weight_for_change_nothing() -> None:
    shown = told("predict", START, phase(101, "ingest", "running"), bar(102, "studies", 8, 8))
    assert shown["share"] is None


def test_several_bars_beside_each_other_give_no_remaining_time() -> None:
    shown = told(
        "scout",
        START,
        phase(110, "explore", "done"),
        phase(110, "scout", "running"),
        bar(120, "scout 0", 9, 10),
        bar(121, "scout 1", 1, 10),
    )
    assert shown["remaining_s"] is None
    assert shown["label"] == "scout 1"


def test_it_ends_at_one() -> None:
    ends = [phase(101 + n, name, "done") for n, name in enumerate(PHASES["pretrain"])]
    shown = told("pretrain", START, *ends)
    assert (shown["share"], shown["remaining_s"]) == (1.0, 0.0)


def test_the_fold_goes_on_from_what_was_stored() -> None:
    lines = [
        START,
        phase(101, "ingest", "done"),
        phase(110, "finetune", "running"),
        bar(150, "finetune", 4, 8),
    ]
    first = told("finetune", *lines[:2])
    for line in lines[2:]:
        first = advance(first, Line(*line), "finetune")  # type: ignore[arg-type]
    assert first == told("finetune", *lines)
