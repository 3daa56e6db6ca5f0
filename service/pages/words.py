"""How figures read on a page."""

import math
from datetime import datetime
from typing import Any

NONE = "–"


def number(value: Any, digits: int = 2) -> str:
    """So many digits after the point; a dash for what is not known."""
    return f"{value:.{digits}f}" if _known(value) else NONE


def percent(share: Any, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %" if _known(share) else NONE


def count(value: Any) -> str:
    """A whole number with thin spaces: 1 234 567."""
    return f"{round(value):,}".replace(",", "\u2009") if _known(value) else NONE


def size(n_bytes: int) -> str:
    """1.4 MB."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000  # type: ignore[assignment]
    return f"{n_bytes:.3g} GB"


def duration(seconds: Any) -> str:
    """The two largest units: 40 s, 3 min 20 s, 2 h 5 min."""
    if not _known(seconds):
        return NONE
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def when(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment is not None else NONE


def _known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
