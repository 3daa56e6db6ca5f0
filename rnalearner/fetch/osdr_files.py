"""NASA OSDR: which files an accession has, and which of them are its unnormalized counts."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from rnalearner.errors import CountsError, FetchError, RecipeError
from rnalearner.fetch.connection import AbsentError, Connection

ADDRESS = "https://osdr.nasa.gov/"
PAGE_FILES = 25
MOST_PAGES = 400
COUNTS = re.compile(r".*Unnormalized_Counts.*\.csv(\.gz)?", re.IGNORECASE)
NOT_ALL_GENES = re.compile(r"ERCC|rRNA|STAR", re.IGNORECASE)
"""In the names of variants: spike-ins, ribosomal RNA removed, another counter."""


def accession_number(accession: str) -> str:
    """OSD-105 -> 105. Raises RecipeError for anything else."""
    if not re.fullmatch(r"OSD-\d+", accession):
        raise RecipeError("data.osdr", f"{accession!r} is no accession", "write it like OSD-105")
    return accession.removeprefix("OSD-")


def accession_files(connection: Connection, address: str, accession: str) -> dict[str, str]:
    """File name -> its address, from all pages of the files API. Raises FetchError, CountsError."""
    base = urljoin(address, f"osdr/data/osd/files/{accession_number(accession)}")
    found: dict[str, str] = {}
    for page in range(MOST_PAGES):
        answer = api_answer(connection, f"{base}?page={page}&size={PAGE_FILES}", accession)
        before = len(found)
        for file in _files(answer):
            if isinstance(name := file.get("file_name"), str) and isinstance(file.get("remote_url"), str):
                found[name] = urljoin(address, file["remote_url"])
        # Some of its APIs count pages from 1 and answer page 0 as page 1: a second page that brings
        # nothing new is not the end.
        if len(found) >= _n_files(answer, len(found)) or (len(found) == before and page > 1):
            break
    if not found:
        raise CountsError(base, f"lists no file of {accession}", "check the accession")
    return found


def counts_file(files: dict[str, str], accession: str) -> str:
    """The name of the file of unnormalized counts of all genes. Raises CountsError where there is none."""
    candidates = [name for name in files if COUNTS.fullmatch(name)]
    # A data set of several assays names them; the plain file is the shortest name.
    candidates.sort(key=lambda name: (NOT_ALL_GENES.search(name) is not None, len(name), name))
    if not candidates:
        what = f"has no file of unnormalized counts among its {len(files)} files"
        raise CountsError(accession, what, "choose an RNA-seq data set that GeneLab has processed")
    return candidates[0]


def accession_metadata(connection: Connection, address: str, accession: str) -> dict[str, Any]:
    """The ISA metadata of an accession, as the API has it. Raises FetchError, CountsError."""
    where = urljoin(address, f"osdr/data/osd/meta/{accession_number(accession)}")
    return api_answer(connection, where, accession)


def api_answer(connection: Connection, where: str, accession: str) -> dict[str, Any]:
    """A JSON object of the API."""
    try:
        answer = json.loads(connection.body(where))
    except AbsentError as absent:
        raise CountsError(where, f"there is no {accession} ({absent})", "check the accession") from None
    except ValueError:
        raise FetchError(where, "does not answer with JSON", "check `data.osdr_address`") from None
    if not isinstance(answer, dict):
        raise FetchError(where, "does not answer with a JSON object", "check `data.osdr_address`")
    if answer.get("success") is False:
        raise CountsError(where, f"there is no {accession}", "check the accession")
    return answer


def _files(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """`studies` -> accession -> `study_files`, or `study_files` at the top."""
    studies = answer.get("studies")
    groups = [*(studies.values() if isinstance(studies, dict) else studies or ()), answer]
    for group in groups:
        for file in (group.get("study_files") or ()) if isinstance(group, dict) else ():
            if isinstance(file, dict):
                yield file


def _n_files(answer: dict[str, Any], at_least: int) -> float:
    """How many there are in all; infinitely many where it does not say."""
    studies = answer.get("studies")
    groups = studies.values() if isinstance(studies, dict) else ()
    counts = [group.get("file_count") for group in groups if isinstance(group, dict)]
    known = [count for count in counts if isinstance(count, int)]
    return max(sum(known), at_least and 1) if known else float("inf")
