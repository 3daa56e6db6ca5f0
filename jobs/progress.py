"""Progress bars on stderr; plain lines where there is no terminal."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from jobs.phase import Progress

_PLAIN_EVERY_S = 5.0


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A Progress that draws: one bar a label, kept on screen when full."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines(console)
        return
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bars(*columns, console=console) as bars:
        known = {}

        def draw(
            label: str, done: int, total: int, note: str = "", figures: Mapping[str, float] | None = None
        ) -> None:
            if label not in known:
                known[label] = bars.add_task(label, total=total, note=note)
            bars.update(known[label], completed=done, total=total, note=note)

        yield draw


def _plain_lines(console: Console) -> Progress:
    last: dict[str, float] = {}

    def write(
        label: str, done: int, total: int, note: str = "", figures: Mapping[str, float] | None = None
    ) -> None:
        now = time.monotonic()
        if done < total and now - last.get(label, -_PLAIN_EVERY_S) < _PLAIN_EVERY_S:
            return
        last[label] = now
        console.print(f"{label}: {done}/{total} {note}".rstrip(), highlight=False, soft_wrap=True)

    return write
