"""Figures as SVG to stand inside an HTML page: no outside address, colours that follow the page.

Matplotlib's colours become CSS variables (with the colour itself where the variable is not set), so that
one drawing reads well on light and dark pages and on paper.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
from matplotlib.figure import Figure

P = ParamSpec("P")
INK, FAINT, PAPER = "#1b1f24", "#8a9099", "#fffffe"
GREY, BLUE, VERMILION, GREEN, AMBER = "#5f6772", "#0072b2", "#d55e00", "#009e73", "#c98a00"
"""Hues of Okabe and Ito (2008), told apart by colour-blind readers; shapes and dashes differ too."""
NAMES = {
    INK: "ink",
    FAINT: "faint",
    PAPER: "paper",
    GREY: "grey",
    BLUE: "blue",
    VERMILION: "vermilion",
    GREEN: "green",
    AMBER: "amber",
}
VARIABLES = {
    "ink": ("#1b1f24", "#e7eaee"),
    "faint": ("#667080", "#98a2b0"),
    "paper": ("#ffffff", "#14171b"),
    "grey": ("#5f6772", "#aab3bf"),
    "blue": ("#0072b2", "#5cb3e6"),
    "vermilion": ("#c85400", "#ff8f4d"),
    "green": ("#00805d", "#35c79d"),
    "amber": ("#a87400", "#e8b64a"),
}
"""What the names stand for on a light page, and on a dark one."""
LIGHT, DARK = (" ".join(f"--{name}: {both[side]};" for name, both in VARIABLES.items()) for side in (0, 1))
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw with the report's style, and leave matplotlib's settings as they were."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with names_as_text(), matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


@contextmanager
def names_as_text() -> Iterator[None]:
    """Draw names as they are spelt: no $ opens mathematics, and a letter that the font lacks is no fault."""
    with warnings.catch_warnings(), matplotlib.rc_context({"text.parse_math": False}):
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        yield


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """`figure` as an <svg> element; `name` keeps its ids apart from other figures' on the page."""
    out = io.StringIO()
    with names_as_text(), matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", metadata=no_metadata)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # A style element would reach beyond the figure; the page's own style sheet sets its one rule.
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    # Tags alone: what stands between them may be anybody's name.
    text = re.sub(r"<[^>]*>", lambda tag: _of_the_page(tag[0], name), text)
    return text.replace("<svg", f'<svg role="img" aria-label="{_attribute(description)}"', 1)


def standalone_svg(inline: str, title: str) -> str:
    """What `inline_svg` made as a file of its own, with the page's colours, light or dark as its reader's."""
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    rules = "svg * { stroke-linejoin: round; stroke-linecap: butt; }"
    dark = f"@media (prefers-color-scheme: dark) {{ svg {{ {DARK} }} }}"
    opening, rest = inline.replace("<svg", f"<svg {spaces}", 1).split(">", 1)
    head = f"<title>{_attribute(title)}</title><style>svg {{ {LIGHT} }} {dark} {rules}</style>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}>{head}{rest}'


def _of_the_page(tag: str, name: str) -> str:
    """A tag with the page's font and colours, and ids that begin with the figure's name."""
    tag = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", tag)
    tag = re.sub(r"(['\"]?)DejaVu Sans\1[^;\"]*", "system-ui, sans-serif", tag)
    tag = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{name}-", tag)
    for colour, variable in NAMES.items():
        tag = re.sub(rf"(:\s*){colour}\b", rf"\g<1>var(--{variable}, {colour})", tag)
    return tag


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
