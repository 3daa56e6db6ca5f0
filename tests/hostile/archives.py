"""Packed files: bombs, cut and damaged gzip, and archives of other kinds."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache

import pyarrow as pa

from tests.hostile.files import HostileFile, offsets
from tests.service.toy_tables import table

_MIB = 2**20
_DAMAGED = "gzip|not a table|UTF-8|empty"


def files() -> Iterator[HostileFile]:
    yield from _bombs()
    yield from _damaged()
    yield from _other()
    yield from _slips()


@cache
def _member(piece: bytes, n_mib: int) -> bytes:
    """Gzip of `n_mib` MiB of one short text again and again."""
    packer = zlib.compressobj(9, wbits=31)
    block = (piece * (_MIB // len(piece) + 1))[: _MIB // len(piece) * len(piece)]
    return b"".join([*(packer.compress(block) for _ in range(n_mib)), packer.flush()])


def _bombs() -> Iterator[HostileFile]:
    says = "times its size|GiB|memory|line|number"
    row = b"ENSMUSG00000000001,0,0,0,0,0,0\n"
    head = gzip.compress(table(), mtime=0)
    for gib, times in ((1, 16), (4, 64), (10, 160)):
        yield HostileFile(
            "gzip bombs", f"{gib} GiB of NUL", lambda n=times: _member(b"\0", 64) * n, says + "|NUL"
        )
        yield HostileFile(
            "gzip bombs", f"{gib} GiB of rows", lambda n=times: head + _member(row, 64) * n, says
        )
        yield HostileFile(
            "gzip bombs", f"{gib} GiB of zeros", lambda n=times: head + _member(b"0", 64) * n, says
        )
    yield HostileFile("gzip bombs", "new lines", lambda: head + _member(b"\n", 512), says)
    yield HostileFile("gzip bombs", "commas", lambda: head + _member(b",", 512), says + "|fields")
    yield HostileFile("gzip bombs", "one member", lambda: _member(row, 700), says + "|twice|header")
    yield HostileFile(
        "gzip bombs", "wide rows", lambda: _member(b"g" + b",0" * 1000 + b"\n", 700), says + "|gene|twice"
    )
    yield HostileFile(
        "gzip bombs", "empty members", lambda: gzip.compress(b"", mtime=0) * 1_000_000, "pieces"
    )
    once = gzip.compress(table(), mtime=0)
    for depth in (2, 3, 10, 200):
        yield HostileFile(
            "gzip in gzip",
            f"{depth} deep",
            lambda n=depth: _nested(once, n),
            "gzip|UTF-8|not a table|archive",
        )
    yield HostileFile(
        "gzip in gzip", "bomb", lambda: _nested(_member(b"\0", 64) * 16, 3), "gzip|UTF-8|not a table|archive"
    )


def _nested(body: bytes, depth: int) -> bytes:
    for _ in range(depth - 1):
        body = gzip.compress(body, mtime=0)
    return body


def _damaged() -> Iterator[HostileFile]:
    whole = gzip.compress(table(0, 400), mtime=0)
    for place in offsets(len(whole)):
        yield HostileFile("gzip cut short", f"at {place}", whole[:place], _DAMAGED)
    checked, length = struct.unpack("<II", whole[-8:])
    tail = whole[:-8]
    for name, body in {
        "checksum": tail + struct.pack("<II", checked ^ 1, length),
        "length": tail + struct.pack("<II", checked, length + 1),
        "no trailer": tail,
        "method": whole[:2] + b"\x07" + whole[3:],
        "garbage behind": whole + b"garbage",
        "table behind": whole + table(),
        "name without end": b"\x1f\x8b\x08\x08" + whole[4:10] + b"n" * 5000,
        "extra beyond the end": b"\x1f\x8b\x08\x04" + whole[4:10] + b"\xff\xff" + whole[10:],
        "block type 3": whole[:10] + b"\x07" + whole[11:],
        "second member cut": whole + whole[:-20],
    }.items():
        yield HostileFile("gzip damaged", name, body, _DAMAGED)
    for place in offsets(len(whole) - 40, 16):
        hole = bytes(byte ^ 0xFF for byte in whole[place + 20 : place + 30])
        yield HostileFile(
            "gzip damaged",
            f"bytes at {place + 20}",
            whole[: place + 20] + hole + whole[place + 30 :],
            _DAMAGED + "|number|fields|columns|gene|NUL",
        )


def _zip(names: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, body in names.items():
            archive.writestr(zipfile.ZipInfo(name), body, method)
    return file.getvalue()


def _tar(names: dict[str, bytes], link: str | None = None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, body in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            if link is not None:
                info.type, info.linkname, info.size = tarfile.SYMTYPE, link, 0
            archive.addfile(info, io.BytesIO(body) if link is None else None)
    return file.getvalue()


def _other() -> Iterator[HostileFile]:
    one = {"counts.csv": table()}
    sheet = {
        "[Content_Types].xml": b"<Types/>",
        "xl/workbook.xml": b"<workbook/>",
        "xl/worksheets/sheet1.xml": b"<v>1</v>",
    }
    says = "archive|workbook|UTF-8|not a table|packed|gene|NUL|names|columns"
    for name, body in {
        "zip": _zip(one),
        "zip stored": _zip(one, zipfile.ZIP_STORED),
        "zip empty": _zip({}),
        "xlsx": _zip(sheet),
        "ods": _zip({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<x/>"}),
        "xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2000,
        "7z": b"7z\xbc\xaf'\x1c\0\x04" + bytes(range(256)),
        "rar": b"Rar!\x1a\x07\x01\0" + bytes(range(256)),
        "cab": b"MSCF\0\0\0\0" + bytes(range(256)),
        "xz": lzma.compress(table()),
        "lzma": lzma.compress(table(), lzma.FORMAT_ALONE),
        "bz2": bz2.compress(table()),
        "zstd": pa.compress(table(), "zstd", asbytes=True),
        "lz4": pa.compress(table(), "lz4", asbytes=True),
        "snappy": pa.compress(table(), "snappy", asbytes=True),
        "brotli": pa.compress(table(), "brotli", asbytes=True),
        "zlib": zlib.compress(table()),
        "deflate": zlib.compress(table())[2:-4],
        "tar": _tar(one),
        "tar.gz": gzip.compress(_tar(one), mtime=0),
        "zip.gz": gzip.compress(_zip(one), mtime=0),
        "compress": b"\x1f\x9d\x90" + bytes(range(256)),
        "ar": b"!<arch>\ncounts.csv      0           0     0     644     1500      `\n" + b"\xff" + table(),
        "cpio": b"070701" + b"0" * 104 + b"counts.csv\0\0" + table() + b"\0\0\0",
    }.items():
        yield HostileFile("archives", name, body, says)
    bomb = {"x.csv": b"\0" * (100 * _MIB)}
    yield HostileFile("archives", "zip bomb", lambda: _zip(bomb), says)
    yield HostileFile("archives", "xz bomb", lambda: lzma.compress(b"\0" * (100 * _MIB), preset=0), says)


def _slips() -> Iterator[HostileFile]:
    """Names that lead out of a folder, in archives and of the upload itself."""
    names = (
        "../../../../tmp/rnalearner-slip.csv",
        "/etc/cron.d/rnalearner",
        "..\\..\\windows\\system32\\x.csv",
        "C:\\autoexec.bat",
        "CON",
        "counts.csv\0.png",
        "-rf",
        "$(touch x).csv",
        "..",
        "gateway.db",
        "report.json",
        "labels-" + "0" * 64 + ".csv",
    )
    says = "archive|workbook|UTF-8|not a table|packed|NUL|name|gene|columns|control"
    for name in names:
        yield HostileFile("names that slip", name, _zip({name: table()}), says)
        yield HostileFile("names that slip", name, _tar({name.replace("\0", "0"): table()}), says)
    yield HostileFile("names that slip", "link.tar", _tar({"counts.csv": b""}, "/etc/passwd"), says)
    for name in ("a\nb", "a\x1b[2Jb", "\u202egnp.vsc", "x" * 300, "\x7f.csv", "a\u2028b"):
        yield HostileFile("names that slip", name, _zip({"counts.csv": table()}), says)
