"""recount3's gene files: sums of base coverage, genes by runs, a bounded part of them at a time.

Shapes: m genes of a part, n runs.
"""

import gzip
import math
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from rnalearner.errors import CountsError

DOWNLOAD = "download the project's files again"
PART_BYTES = 2**20
"""Text parsed at a time."""
_COMMENTS = 2


def runs_of(path: Path) -> list[str]:
    """The runs of a gene file, from its header. Raises CountsError where it has none."""
    header = "".join(text_lines(path, _COMMENTS, 1)).split("\t")
    if header[0] != "gene_id" or len(header) < 2:
        what = f"the third line starts with {header[0]!r}, not with 'gene_id' and runs"
        raise CountsError(path, what, DOWNLOAD)
    return header[1:]


def coverage_parts(path: Path, runs: Sequence[str]) -> Iterator[tuple[list[str], np.ndarray]]:
    """Gene ids and the coverage of `runs`, float64 n x m, part after part of the file.

    Raises CountsError naming gene and run where a cell holds no coverage, or the file is cut short.
    """
    convert = pacsv.ConvertOptions(
        include_columns=["gene_id", *runs],
        column_types={"gene_id": pa.string(), **dict.fromkeys(runs, pa.float64())},
    )
    found = 0
    try:
        with pa.input_stream(str(path), compression="gzip") as stream:
            reader = pacsv.open_csv(
                stream,
                pacsv.ReadOptions(use_threads=False, block_size=PART_BYTES, skip_rows=_COMMENTS),
                pacsv.ParseOptions(delimiter="\t", quote_char=False),
                convert,
            )
            for batch in reader:
                columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns[1:]]
                coverage_nm = np.stack(columns)
                if not (np.isfinite(coverage_nm).all() and (coverage_nm >= 0).all()):
                    raise _first_fault(path)
                found += batch.num_rows
                yield batch.column(0).to_pylist(), coverage_nm
    except FileNotFoundError:
        raise _missing(path) from None
    except pa.ArrowInvalid:
        raise _first_fault(path) from None
    except OSError:
        raise _cut_short(path) from None
    if not found:
        raise _first_fault(path)


@dataclass(frozen=True)
class CountBlock:
    """Some of a file's runs with all of its genes; float32 counts, sums over genes in float64."""

    place: slice
    """Of these runs among those that were asked for."""
    genes: list[str]
    counts_ng: np.ndarray
    total_n: np.ndarray
    coverage_n: np.ndarray


def count_blocks(
    path: Path, runs: Sequence[str], divisor_n: np.ndarray, at_most: int
) -> Iterator[CountBlock]:
    """Counts = coverage / divisor of `runs`, `at_most` of them in memory at a time.

    The file is parsed once: its genes come first, and all runs of each, so what is larger than a block
    passes through a scratch file, from which blocks of runs are gathered.
    """
    genes: list[str] = []
    total_n, coverage_n = np.zeros(len(runs)), np.zeros(len(runs))

    def counted() -> Iterator[np.ndarray]:
        nonlocal total_n, coverage_n
        for ids, coverage_nm in coverage_parts(path, runs):
            genes.extend(ids)
            coverage_n += coverage_nm.sum(axis=1)
            coverage_nm /= divisor_n[:, None]
            total_n += coverage_nm.sum(axis=1)
            yield coverage_nm.astype(np.float32)

    if len(runs) <= at_most:
        counts_ng = np.concatenate(list(counted()), axis=1)
        yield CountBlock(slice(0, len(runs)), genes, counts_ng, total_n, coverage_n)
        return
    with tempfile.TemporaryFile() as scratch:
        for counts_nm in counted():
            scratch.write(np.ascontiguousarray(counts_nm.T).data)
        for start in range(0, len(runs), at_most):
            place = slice(start, min(start + at_most, len(runs)))
            counts_ng = np.empty((place.stop - start, len(genes)), np.float32)
            scratch.seek(0)
            rows = max(1, PART_BYTES // (4 * len(runs)))
            for gene in range(0, len(genes), rows):
                part = np.frombuffer(scratch.read(4 * rows * len(runs)), np.float32).reshape(-1, len(runs))
                counts_ng[:, gene : gene + rows] = part[:, place].T
            yield CountBlock(place, genes, counts_ng, total_n[place], coverage_n[place])


def text_lines(path: Path, skip: int = 0, n: int | None = None) -> list[str]:
    """Lines of one of recount3's files, `n` after the first `skip`, or all. Raises CountsError where they
    cannot be read."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            return [line.rstrip("\r\n") for line in islice(file, skip, None if n is None else skip + n)]
    except FileNotFoundError:
        raise _missing(path) from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise _cut_short(path) from None
    except ValueError as error:
        raise CountsError(path, f"is not a table ({error})", DOWNLOAD) from None


def _first_fault(path: Path) -> CountsError:
    """What is wrong with a file that could not be parsed, found by reading it slowly."""
    header, *rows = [line.split("\t") for line in text_lines(path, _COMMENTS)]
    if not rows:
        return CountsError(path, "holds no gene", DOWNLOAD)
    for row in rows:
        if len(row) > len(header):
            what = f"is not a table: gene {row[0]} has {len(row) - 1} values for {len(header) - 1} runs"
            return CountsError(path, what, DOWNLOAD)
        for run, cell in zip(header[1:], [*row[1:], *[""] * (len(header) - len(row))], strict=True):
            try:
                usable = 0 <= float(cell) < math.inf
            except ValueError:
                usable = False
            if not usable:
                what = f"gene {row[0]}, run {run}: no coverage at or above 0"
                return CountsError(path, what, DOWNLOAD)
    return CountsError(path, "is not a table", DOWNLOAD)


def _missing(path: Path) -> CountsError:
    return CountsError(path, "is missing", "download the project's files, or exclude it")


def _cut_short(path: Path) -> CountsError:
    return CountsError(path, "is cut short, or no gzip file", DOWNLOAD)
