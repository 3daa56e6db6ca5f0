"""How far a job is, from its own events: a fold over them. Pure.

The weights are guesses at each phase's share of the time, no more; so the estimate says nothing
before a twentieth of the job is done, and nothing while a phase cannot say how far it is.
"""

from typing import Any

from service.jobs.attempt import Line

PHASES: dict[str, dict[str, float]] = {
    "linear": {"ingest": 3, "linear": 1, "report": 2},
    "finetune": {"ingest": 1, "finetune": 8, "report": 1},
    "tune": {"ingest": 1, "tune": 19},
    "predict": {"predict": 1},
    "explore": {"ingest": 1, "explore": 2},
    "pretrain": {"ingest": 2, "gene2vec": 2, "pretrain": 15, "export": 1},
    "scout": {"explore": 2, "scout": 16, "export": 1},
}
"""Kind of job -> its phases' weights; what else a job runs is not counted."""
_LEAST_SHARE = 0.05


def advance(progress: dict[str, Any] | None, line: Line, kind: str) -> dict[str, Any]:
    """`progress` (what the jobs table holds; None at the start) after one more event.

    Beside what a user sees it carries what the fold needs: `since` (when the job began), `phase`,
    `bar` (the label that says how far the phase is), `ran` and `skipped` phases.
    """
    state: dict[str, Any] = {
        "label": "starting", "done": 0, "total": 1, "note": "", "share": None, "remaining_s": None,
        "since": line.at, "phase": None, "bar": None, "ran": [], "skipped": [],
    } | (progress or {})  # fmt: skip
    if line.kind == "phase":
        state |= _phase(state, line.data)
        fraction: float | None = 0.0
    elif line.kind == "progress":
        own = ("label", "done", "total", "note")
        state |= {name: line.data[name] for name in own}
        if state["bar"] is None and state["phase"] is not None:
            state["bar"] = state["label"]
        # Several bars beside each other, such as scouts, do not say how far the whole phase is.
        known = state["label"] == state["bar"] and state["total"] > 0
        fraction = min(1.0, max(0.0, state["done"] / state["total"])) if known else None
    else:
        fraction = None
    return state | _estimate(state, fraction, line.at, PHASES.get(kind, {}))


def _phase(state: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """A phase begins, ends, or was complete before."""
    name = data["name"]
    if data["state"] == "running":
        return {"label": name, "done": 0, "total": 1, "note": "", "phase": name, "bar": None}
    kept = "ran" if data["state"] == "done" else "skipped"
    known = [*state["ran"], *state["skipped"]]
    return {"phase": None, "bar": None} | ({} if name in known else {kept: [*state[kept], name]})


def _estimate(
    state: dict[str, Any], fraction: float | None, now: float, weights: dict[str, float]
) -> dict[str, Any]:
    """Share and remaining seconds, of the phases that run this time."""
    whole = sum(weight for name, weight in weights.items() if name not in state["skipped"])
    if fraction is None or whole == 0:
        return {"remaining_s": None}
    done = sum(weights.get(name, 0) for name in state["ran"]) + fraction * weights.get(state["phase"], 0)
    share = round(done / whole, 4)
    if share < _LEAST_SHARE:
        return {"share": None, "remaining_s": None}
    return {"share": share, "remaining_s": round(max(0.0, now - state["since"]) * (1 - share) / share, 1)}
