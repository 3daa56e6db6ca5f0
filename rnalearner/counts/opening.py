"""Bytes of a text file, gzipped or not, with faults as sentences."""

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from rnalearner.counts.bounds import MOST_LINE, refuse_bomb
from rnalearner.errors import CountsError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP, ZIP, BZIP, XZ = b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ"
PARQUET = b"PAR1"
REMAKE = "fetch or export it again"
_AS_TEXT = "save it as CSV or TSV, plain or gzipped"
_AS_UTF8 = "save it as UTF-8 (a spreadsheet calls it CSV UTF-8)"
_OLD_WORKBOOK, _PDF = b"\xd0\xcf\x11\xe0", b"%PDF"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|meta|body|table|\?xml)\b", re.IGNORECASE)
_WORKBOOK = re.compile(rb"\[Content_Types\]|_rels/|xl/|docProps/|META-INF/|content\.xml")
_START = 512
"""Bytes that tell what a file is."""
_AT_ONCE = 2**20
"""Bytes that are unpacked before anybody looks."""


@contextmanager
def open_text(path: Path, most_lines: float = math.inf) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where its content (not its name) says gzip.

    Faults met inside the block, while reading, become CountsError as well; so do more than `most_lines`
    unpacked lines.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START)
            file.seek(0)
            if start.startswith(GZIP):
                stored = _Stored(path, file)
                with gzip.open(stored, "rb") as packed:
                    unpacked = io.BufferedReader(_Unpacked(path, stored, packed, most_lines), _AT_ONCE)
                    inside = unpacked.peek(_START)[:_START]
                    if inside.startswith(GZIP):
                        raise CountsError(path, "is gzipped twice: gzip in gzip", "unpack it once")
                    _refuse_other_kinds(path, inside)
                    yield cast(BinaryIO, unpacked)
            else:
                _refuse_other_kinds(path, start)
                yield file
    except FileNotFoundError:
        raise CountsError(path, "there is no such file", "correct the path") from None
    except EOFError:
        raise CountsError(path, "is a gzip file that ends too early", REMAKE) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise CountsError(path, f"is a damaged gzip file ({error})", REMAKE) from None
    except UnicodeDecodeError:
        raise CountsError(path, "is not UTF-8 text", _AS_UTF8) from None
    except csv.Error as error:
        raise CountsError(path, f"cannot be cut into columns ({error})", "close every quote") from None
    except OSError as error:
        raise CountsError(path, f"cannot be read ({error.strerror or error})", "check the file") from None


def _refuse_other_kinds(path: Path, start: bytes) -> None:
    """Raises CountsError for what begins as a file of another kind; the sentence says which."""
    if start.startswith(ZIP) and _WORKBOOK.search(start):
        raise CountsError(path, "is a workbook of a spreadsheet (.xlsx, .ods), not a table", _AS_TEXT)
    if start.startswith(_OLD_WORKBOOK):
        raise CountsError(path, "is a workbook of an old Excel (.xls), not a table", _AS_TEXT)
    if start.startswith((ZIP, BZIP, XZ)):
        raise CountsError(path, "is a workbook or an archive, not a table", _AS_TEXT)
    if start.startswith(PARQUET):
        raise CountsError(path, "is a Parquet file, not text", "save it as CSV or TSV")
    if start.startswith(_PDF):
        raise CountsError(path, "is a PDF, not a table", "fetch the table itself: a CSV or TSV")
    if _PAGE.match(start):
        what = "is a web page (HTML or XML), not a table, whatever its name says"
        raise CountsError(path, what, "download the file behind the page, or save it as CSV or TSV")
    if start.startswith(_UTF16):
        what = "is UTF-16 text, which Excel calls Unicode Text, and not UTF-8"
        raise CountsError(path, what, _AS_UTF8)


class _Stored(io.BufferedReader):
    """A gzip file as it is stored: of pieces without content, gzip reads any number before it returns."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(cast(io.RawIOBase, file))
        self._path, self._n_read = path, 0
        self.n_unpacked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._n_read += len(data)
        if self._n_read > 2 * (self.n_unpacked + _AT_ONCE):
            raise CountsError(self._path, "is a gzip file of pieces that hold next to nothing", REMAKE)
        return data


class _Unpacked(io.RawIOBase):
    """What a gzip file holds, as long as it is no bomb."""

    def __init__(self, path: Path, stored: _Stored, packed: gzip.GzipFile, most_lines: float) -> None:
        self._path, self._stored, self._packed, self._most_lines = path, stored, packed, most_lines
        self._size, self._n_lines = path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        n_bytes = self._packed.readinto(buffer)
        self._stored.n_unpacked += n_bytes
        refuse_bomb(self._path, self._stored.n_unpacked, self._size)
        self._n_lines += bytes(memoryview(buffer)[:n_bytes]).count(b"\n")
        if self._n_lines > self._most_lines:
            what = f"unpacks to more than {self._most_lines:,} lines"
            raise CountsError(self._path, what, "give a table of genes and samples")
        return n_bytes


def is_parquet(path: Path) -> bool:
    """By its name or, where it can be read, its first bytes."""
    if path.suffix.casefold() in (".parquet", ".pq"):
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(PARQUET)) == PARQUET
    except OSError:
        return False


def first_lines(path: Path, n_lines: int = 200, n_bytes: int = 4_000_000, at_least: int = 4) -> list[str]:
    """The first lines, without line ends; fewer than `n_lines` where they are long (a column a gene)."""
    lines: list[str] = []
    read = 0
    with open_text(path) as file:
        while raw := file.readline(MOST_LINE):
            if len(raw) == MOST_LINE:
                what = f"has a line of more than {MOST_LINE >> 20} MiB"
                raise CountsError(path, what, "end every row with a new line")
            if b"\0" in raw:
                raise CountsError(path, "is not UTF-8 text: it holds NUL bytes", _AS_UTF8)
            lines.append(raw.decode("utf-8-sig").rstrip("\r\n"))
            read += len(raw)
            if len(lines) >= n_lines or (read > n_bytes and len(lines) >= at_least):
                break
    return lines


def short(name: str) -> str:
    """A name from a file, fit for a sentence: an unclosed quote makes names of many lines."""
    name = " ".join(name.split())
    return name if len(name) <= 60 else name[:57] + "..."
