"""recount3 -> a local mirror of the same layout: index, the projects' files, a manifest of what came."""

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rnalearner.errors import CountsError, FetchError
from rnalearner.fetch.connection import Limits
from rnalearner.fetch.download import Delivered, Progress, Wanted, download, published_sums
from rnalearner.fetch.ledger import LEDGER, Entry
from rnalearner.fetch.recount3_files import (
    Index,
    annotation_file,
    chosen_projects,
    gene_file,
    project_files,
    read_index,
    sample_list_file,
)
from rnalearner.publish import write_json


@dataclass(frozen=True)
class Mirrored:
    """What a download left in a mirror."""

    projects: tuple[str, ...]
    """Whole, sorted."""
    left_out: dict[str, str]
    """Project -> why it is not there."""
    index: Index
    """Of the whole projects."""
    n_cached: int
    n_bytes: int


def manifest_file(folder: Path, organism: str) -> Path:
    """JSON: organism, address, date, projects, and every file with its size and sha256."""
    return folder / f"manifest.{organism}.json"


class Recount3Mirror:
    """A folder that is filled from `address`, a URL that ends with a slash."""

    def __init__(self, folder: Path, address: str, organism: str, limits: Limits) -> None:
        self.folder, self.address, self.organism, self.limits = folder, address, organism, limits
        self._sums: dict[str, str] | None = None
        self._singles: list[Entry] = []  # files of no project

    def index(self) -> Index:
        """Every project with its runs. Raises FetchError, CountsError."""
        path = sample_list_file(self.organism)
        self._one(path, "has no sample list", "give the address of recount3, or of a mirror of it")
        return read_index(self.folder / path)

    def annotation(self) -> Path:
        """The GTF of the release's genes, downloaded where it is not there. Raises FetchError."""
        path = annotation_file(self.organism)
        self._one(path, "has no gene annotation", "give a gene table as `data.genes`")
        return self.folder / path

    def fill(
        self,
        projects: Sequence[str],
        exclude: Sequence[str],
        progress: Progress = lambda done, total, n_bytes: None,
    ) -> Mirrored:
        """Bring the projects (all of the index where none is named), and publish the manifest.

        A project without one of its needed files is left out, by name; one that was named is an
        error. Raises FetchError, CountsError, RecipeError.
        """
        index = self.index()
        asked = chosen_projects(index, projects, exclude, f"{self.address}{sample_list_file(self.organism)}")
        files = {project: project_files(self.organism, project) for project in asked}
        delivered = self._download([path for project in asked for path in files[project]], progress)
        left_out = {
            project: f"{self.address}{path} {delivered.absent[path]}"
            for project in asked
            for path in [
                path for path, needed in files[project].items() if needed and path in delivered.absent
            ][:1]
        }
        if projects and left_out:
            project, what = next(iter(left_out.items()))
            raise CountsError(
                f"project {project}", f"cannot be had ({what})", "leave it out of `data.projects`"
            )
        whole = tuple(project for project in asked if project not in left_out)
        if not whole:
            why = next(iter(left_out.values()), "all are excluded")
            raise FetchError(
                self.address, f"none of the {len(asked)} projects can be had ({why})", "correct it"
            )
        delivered.files |= {entry.path: entry for entry in self._singles}
        self._publish_manifest(whole, delivered.files)
        of_whole = {project: index[project] for project in whole}
        return Mirrored(whole, left_out, of_whole, delivered.n_cached, delivered.n_bytes)

    def _one(self, path: str, what: str, remedy: str) -> None:
        delivered = self._download([path], lambda done, total, n_bytes: None)
        if path in delivered.absent:
            raise FetchError(self.address, f"{what} ({path} {delivered.absent[path]})", remedy)
        self._singles.append(delivered.files[path])

    def _download(self, paths: Sequence[str], progress: Progress) -> Delivered:
        if self._sums is None:
            self._sums = published_sums(self.address, self.limits)
        wanted = [Wanted(path, self.address + path, self._sums.get(path)) for path in paths]
        return download(wanted, self.folder, self.limits, progress)

    def _publish_manifest(self, projects: Sequence[str], entries: Mapping[str, Entry]) -> None:
        path = manifest_file(self.folder, self.organism)
        files = {e.path: {"bytes": e.n_bytes, "sha256": e.sha256} for e in entries.values()}
        with (self.folder / LEDGER).open("rb") as ledger:
            fcntl.flock(ledger, fcntl.LOCK_EX)  # two downloads into one mirror: neither forgets the other's
            try:
                before = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                before = {"projects": [], "files": {}}
            here = {name: known for name, known in before["files"].items() if (self.folder / name).is_file()}
            earlier = [p for p in before["projects"] if gene_file(self.organism, p) in here]
            manifest = {
                "organism": self.organism,
                "address": self.address,
                "date": datetime.now(UTC).isoformat(timespec="seconds"),
                "projects": sorted({*earlier, *projects}),
                "files": dict(sorted((here | files).items())),
            }
            write_json(path, manifest)
