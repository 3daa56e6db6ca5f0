"""What all pages share: where templates lie, how numbers read, figures as text."""

from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from rnalearner.report.names import plain
from rnalearner.report.svg import DARK, LIGHT, inline_svg

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""A page's own Content-Security-Policy, since it is opened from a disk: it runs nothing and asks nobody.

Styles stand in the page, those of the figures on their elements, where no hash can name them."""


def environment() -> jinja2.Environment:
    """Templates of this room, with the filters percent, number, figures, signed and duration."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_fit,
    )
    made.filters |= {"percent": _percent, "number": number, "figures": figures}
    made.filters |= {"signed": signed, "duration": _duration}
    made.globals |= {"policy": POLICY, "light": LIGHT, "dark": DARK}
    return made


def drawn(drawing: Any, *inputs: Any, name: str) -> Markup:
    """The figure that a function makes, as an <svg>; the first line of its docstring describes it."""
    figure: Figure = drawing(*inputs)
    described = " ".join((drawing.__doc__ or "").split("\n")[0].split())
    return Markup(inline_svg(figure, name, described))  # noqa: S704 - made and escaped by matplotlib


def number(value: Any, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if _known(value) else "–"


def figures(value: Any, digits: int = 3) -> str:
    """To so many significant figures, whatever its size."""
    return f"{value:.{digits}g}" if _known(value) else "–"


def signed(value: Any, digits: int = 3) -> str:
    """With its sign, and a minus as wide as a plus."""
    return f"{value:+.{digits}f}".replace("-", "−") if _known(value) else "–"


def _known(value: Any) -> bool:
    return value is not None and bool(np.isfinite(value))


def _fit(value: Any) -> Any:
    """What a template says, without what no page can hold."""
    return plain(value) if type(value) is str else value


def _percent(share: Any, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %" if _known(share) else "–"


def _duration(seconds: Any) -> str:
    if not _known(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
