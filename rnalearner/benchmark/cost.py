"""What a benchmark took: CPU-hours and GPU-hours, of which machines."""

from collections.abc import Iterable, Mapping
from typing import Any


def cost(told: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """From what was told of pieces, each once: a row a kind of piece and machine, hours of each.

    A piece that held half a GPU for an hour took half a GPU-hour, whatever else ran on that GPU.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for piece in told:
        key = ("encoder" if piece["kind"] == "encoder" else "linear", str(piece["machine"]))
        row = rows.setdefault(
            key, {"arms": key[0], "machine": key[1], "pieces": 0, "cpu_hours": 0.0, "gpu_hours": 0.0}
        )
        row["pieces"] += 1
        for resource in ("cpu", "gpu"):
            row[f"{resource}_hours"] += piece["seconds"] * piece[f"{resource}s"] / 3600
    return [rows[key] for key in sorted(rows)]
