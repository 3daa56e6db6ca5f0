"""The figures of a page: inside it, and each as a file of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rnalearner.publish import publish_folder, write_json, write_text
from rnalearner.report.html import drawn
from rnalearner.report.names import plain
from rnalearner.report.svg import standalone_svg

LIST = "figures.json"


@dataclass(frozen=True)
class Picture:
    """One figure; `name` keeps its ids apart from others' and names its file."""

    name: str
    title: str
    caption: str
    svg: Markup


def picture(drawing: Any, *inputs: Any, name: str, title: str, caption: str) -> Picture:
    """What `html.drawn` makes, with words."""
    return Picture(name, plain(title), plain(" ".join(caption.split())), drawn(drawing, *inputs, name=name))


def write_pictures(folder: Path, pictures: Sequence[Picture]) -> None:
    """`<name>.svg` of each, and figures.json: {file, title, caption} in their order; the folder as one."""
    with publish_folder(folder) as temporary:
        for one in pictures:
            write_text(temporary / f"{one.name}.svg", standalone_svg(str(one.svg), one.title))
        told = [{"file": f"{one.name}.svg", "title": one.title, "caption": one.caption} for one in pictures]
        write_json(temporary / LIST, told)
