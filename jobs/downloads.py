"""What a recipe reads of public archives, brought to this machine before it is read."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.phase import Progress
from rnalearner.config.data import DataConfig
from rnalearner.layout import RunLayout

if TYPE_CHECKING:
    from rnalearner.fetch.recount3_mirror import Recount3Mirror

LeftOut = dict[str, str]
"""Project -> why it could not be downloaded."""


def downloaded(data: DataConfig, layout: RunLayout, progress: Progress) -> tuple[DataConfig, LeftOut]:
    """The recipe of what lies here now, and what the archives did not have.

    A simulated compendium is served by this machine and goes the same way.
    """
    from rnalearner.fetch.connection import Limits
    from rnalearner.fetch.osdr_mirror import fill_osdr_folder
    from rnalearner.fetch.recount3_files import base_address
    from rnalearner.fetch.recount3_mirror import Recount3Mirror

    limits = Limits(data.downloads_at_once, data.requests_per_s, data.bytes_per_s)
    left_out: LeftOut = {}
    if data.osdr and data.osdr_address is not None:
        folder, show = data.root / data.osdr_folder, partial(_shown, progress, "download OSDR")
        fill_osdr_folder(folder, data.osdr_address, data.osdr, data.osdr_factor, limits, show)
    show = partial(_shown, progress, "download")
    if data.source == "simulated":
        from rnalearner.counts.simulate import simulate
        from rnalearner.fetch.loopback import served

        simulate(layout.simulated, data.simulation)  # anew: one that is there may be of another recipe
        with served(layout.simulated) as address:
            mirror = Recount3Mirror(layout.mirror.resolve(), address, "mouse", Limits())
            here = mirror.fill(data.projects, data.exclude, show)
    elif data.source == "recount3" and data.address is not None:
        address, folder = base_address(data.address), data.root / data.corpus[0]
        mirror = Recount3Mirror(folder.resolve(), address, data.organism, limits)
        here = mirror.fill(data.projects, data.exclude, show)
        left_out = here.left_out
        if data.tables and data.genes is None:
            data = data.model_copy(update={"genes": _annotation(mirror)})
    else:
        return data, left_out
    # The mirror may hold more than was asked for, and parts of what could not be had.
    read = {"source": "recount3", "corpus": (mirror.folder,), "projects": here.projects, "exclude": ()}
    return data.model_copy(update=read), left_out


def _annotation(mirror: "Recount3Mirror") -> Path | None:
    """The release's own table of genes for the user's tables; a mirror may come without it."""
    from rnalearner.errors import FetchError

    try:
        return mirror.annotation()
    except FetchError:
        return None


def _shown(progress: Progress, label: str, done: int, total: int, n_bytes: int) -> None:
    progress(label, done, total, f"{n_bytes / 1e6:,.1f} MB")
