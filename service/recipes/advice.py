"""Which method to ask for, and what a few samples can tell, by what the yardstick measured. Pure."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_YARDSTICK = Path(__file__).with_name("yardstick.json")
_NAMES = {
    "linear, guided": "the guided linear model",
    "linear": "the linear model",
    "encoder, guided": "the guided encoder",
    "encoder": "an encoder without pretraining",
}


def recommended(n_smallest: int, has_gene_guide: bool, has_encoder: bool) -> str:
    """One sentence: the method for so many samples in the smallest group, and the figures it rests on."""
    table = yardstick()
    k = max((known for known in table["k"] if known <= n_smallest), default=table["k"][0])
    ours = "linear, guided" if has_gene_guide else "linear"
    other = "encoder, guided" if has_encoder else "encoder"
    place = table["k"].index(k)
    return (
        f"With {n_smallest} samples in the smallest group {_NAMES[ours]} is recommended: learning from {k} "
        f"{'sample' if k == 1 else 'samples'} a group it reached an AUROC of {_shown(ours, place)} on "
        f"{table['tasks']} tasks of real mice, {_NAMES[other]} {_shown(other, place)}."
    )


@cache
def yardstick() -> dict[str, Any]:
    """The figures, from docs/results.md."""
    table: dict[str, Any] = json.loads(_YARDSTICK.read_text(encoding="utf-8"))
    return table


def _shown(arm: str, place: int) -> str:
    mean, low, high = yardstick()["auroc"][arm][place]
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"
