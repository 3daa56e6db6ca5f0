"""A dataset's folder: the upload as it came, for the jail alone, and its canonical form, for jobs."""

from pathlib import Path

from service.settings import Settings

CANONICAL = "counts.parquet"
_SUFFIXES = {b"\x89HDF\r\n\x1a\n": ".h5ad", b"PAR1": ".parquet"}


def dataset_folder(settings: Settings, owner: str, dataset: str) -> Path:
    return settings.uploads / owner / dataset


def table_name(start: bytes) -> str:
    """What an upload that begins so is called: the suffix says how to read it."""
    suffixes = (suffix for magic, suffix in _SUFFIXES.items() if start.startswith(magic))
    return f"table{next(suffixes, '.txt')}"


def table_of(folder: Path) -> Path:
    """The upload in its dataset's folder."""
    packed = (folder / f"table{suffix}" for suffix in _SUFFIXES.values())
    return next((path for path in packed if path.exists()), folder / "table.txt")


def labels_name(sha256: str) -> str:
    """The sheet as it came."""
    return f"labels-{sha256}.csv"


def canonical_labels(sha256: str | None) -> str:
    """The sheet as jobs read it; without one, what the table itself says of its samples."""
    return "labels.parquet" if sha256 is None else f"labels-{sha256}.parquet"


def look_name(sha256: str | None) -> str:
    """What was seen of the table, with this sheet or without one."""
    return "look.json" if sha256 is None else f"look-{sha256}.json"
