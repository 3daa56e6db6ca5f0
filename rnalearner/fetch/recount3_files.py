"""recount3: which files a project has, where they are, and which runs stand in several projects.

Addresses are the business of the archive's own Python package, recount3. It does not download here:
it neither goes on with half a file nor keeps sums, nor does it wait when a server asks it to.
"""

import csv
import gzip
import os
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rnalearner.errors import CountsError, RecipeError

ANNOTATIONS = {"mouse": "M023", "human": "G026"}
"""Organism -> recount3's code of its gene annotation: GENCODE M23 and v26."""
ADDRESSES = {
    "recount3": "http://duffel.rail.bio/recount3/",
    "aws": "https://recount-opendata.s3.amazonaws.com/recount3/release/",
    "idies": "https://data.idies.jhu.edu/recount3/data/",
}
"""Mirrors by their short names. The first one sends each request to one of the others."""
NEEDED_TABLES = ("recount_project", "recount_qc", "recount_pred", "sra")
OTHER_TABLES = ("recount_seq_qc",)
"""Not read so far; a project without it is whole."""

Index = Mapping[str, Sequence[str]]
"""Project -> its runs."""


def base_address(address: str) -> str:
    """`address` is a URL, or the short name of a mirror; RECOUNT3_URL stands for the first one's.

    Raises RecipeError for another word.
    """
    if address == "recount3" and os.environ.get("RECOUNT3_URL"):
        address = os.environ["RECOUNT3_URL"]
    address = ADDRESSES.get(address, address)
    if not address.startswith(("http://", "https://")):
        names = ", ".join(ADDRESSES)
        raise RecipeError("data.address", f"{address!r} is no address", f"give a URL, or one of {names}")
    return address.rstrip("/") + "/"


def gene_file(organism: str, project: str) -> str:
    """Coverage sums by gene and run, relative to a mirror's folder or address."""
    return _path(
        "count_files_gene_or_exon",
        organism=organism,
        data_source="sra",
        genomic_unit="gene",
        project=project,
        annotation_extension=ANNOTATIONS[organism],
    )


def metadata_file(organism: str, project: str, table: str) -> str:
    """One of NEEDED_TABLES or OTHER_TABLES."""
    return _path("metadata_files", organism=organism, data_source="sra", project=project, table_name=table)


def project_files(organism: str, project: str) -> dict[str, bool]:
    """Every file of a project, and whether it is needed."""
    needed = [gene_file(organism, project)] + [metadata_file(organism, project, t) for t in NEEDED_TABLES]
    other = [metadata_file(organism, project, table) for table in OTHER_TABLES]
    return dict.fromkeys(needed, True) | dict.fromkeys(other, False)


def sample_list_file(organism: str) -> str:
    """The index: every run of every project."""
    return _path("data_source_metadata", organism=organism, data_source="sra")


def annotation_file(organism: str) -> str:
    """GTF of the release: what its gene ids mean."""
    return _path(
        "annotations", organism=organism, genomic_unit="gene", annotation_extension=ANNOTATIONS[organism]
    )


@cache
def _descriptions() -> Any:
    from recount3 import R3ResourceDescription

    return R3ResourceDescription


def _path(kind: str, **what: str) -> str:
    return str(_descriptions()(resource_type=kind, **what).url_path())


def read_index(path: Path) -> dict[str, tuple[str, ...]]:
    """The sample list, projects sorted, runs in its order. Raises CountsError where it is none."""
    runs: dict[str, list[str]] = {}
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            header = next(rows, [])
            if absent := {"external_id", "project"} - set(header):
                what = f"has no column {min(absent)}"
                raise CountsError(path, what, "give the address, or the mirror, of recount3")
            run, project = header.index("external_id"), header.index("project")
            for row in rows:
                runs.setdefault(row[project], []).append(row[run])
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError, IndexError):
        raise CountsError(
            path, "is no whole sample list", "remove it, so that it is downloaded again"
        ) from None
    return {project: tuple(runs[project]) for project in sorted(runs)}


def chosen_projects(
    index: Index, projects: Sequence[str], exclude: Iterable[str], where: object
) -> list[str]:
    """Those asked for (all where none is named), sorted; raises RecipeError for a name the index lacks."""
    for name in (*projects, *exclude):
        if name not in index:
            from difflib import get_close_matches

            near = ", ".join(get_close_matches(name, index, 3))
            remedy = f"did you mean {near}" if near else "correct `data.projects` or `data.exclude`"
            raise RecipeError(where, f"the index lists no project {name}", remedy)
    return sorted(set(projects or index) - set(exclude))


def kept_runs(index: Index, first: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """Project -> the runs to drop from it, because an earlier project keeps them.

    The order is that of the names, but with those `first` that have been read already. `index` holds the
    projects asked for. Projects that drop nothing are left out.
    """
    seen: set[str] = set()
    dropped = {}
    for project in sorted(index, key=lambda name: (name not in first, name)):
        runs = index[project]
        if again := tuple(run for run in dict.fromkeys(runs) if run in seen):
            dropped[project] = again
        seen.update(runs)
    return dropped
