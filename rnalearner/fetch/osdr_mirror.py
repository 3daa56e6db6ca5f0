"""NASA OSDR -> a local folder: each accession's counts, and a sheet of its samples."""

import csv
from collections.abc import Sequence
from pathlib import Path

from rnalearner.errors import FetchError
from rnalearner.fetch.connection import Connection, Limits
from rnalearner.fetch.download import Progress, Wanted, download
from rnalearner.fetch.osdr_files import accession_files, accession_metadata, accession_number, counts_file
from rnalearner.fetch.osdr_sheet import Row, sheet_rows
from rnalearner.publish import publish_file, write_json


def fetched_sheet(folder: Path, accession: str) -> Path:
    """CSV: sample, study, label, subject, tissue, sex, strain, and a column `factor_*` a factor."""
    return folder / f"{accession}_sheet.csv"


def fetched_metadata(folder: Path, accession: str) -> Path:
    """The ISA metadata as they came: what the sheet was made of."""
    return folder / f"{accession}_metadata.json"


def fetched_counts(folder: Path, accession: str) -> Path | None:
    """The counts that were downloaded for an accession; None where there are none."""
    return next(iter(sorted((folder / accession).glob("[!.]*"))), None)


def fill_osdr_folder(
    folder: Path,
    address: str,
    accessions: Sequence[str],
    factor: str | None,
    limits: Limits,
    progress: Progress = lambda done, total, n_bytes: None,
) -> int:
    """Bring counts and sheets of the accessions; returns the bytes received.

    Raises FetchError, CountsError for an accession without counts, LabelError for one whose
    metadata tell no groups apart.
    """
    address = address.rstrip("/") + "/"
    wanted = []
    with Connection(limits, address) as connection:
        for accession in accessions:
            accession_number(accession)  # all are checked before anything is asked
        for accession in accessions:
            files = accession_files(connection, address, accession)
            name = counts_file(files, accession)
            wanted.append(Wanted(f"{accession}/{name}", files[name]))
            metadata = accession_metadata(connection, address, accession)
            where = f"metadata of {accession}"
            rows = sheet_rows(metadata, accession, factor, where)
            write_json(fetched_metadata(folder, accession), metadata)
            _write_sheet(fetched_sheet(folder, accession), rows)
    delivered = download(wanted, folder, limits, progress)
    for path, why in delivered.absent.items():
        raise FetchError(path, f"is listed and cannot be had ({why})", "try again later")
    return delivered.n_bytes


def _write_sheet(path: Path, rows: Sequence[Row]) -> None:
    with publish_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
