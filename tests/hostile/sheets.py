"""Sheets of labels that do not fit a good table, or are no sheets."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator

from tests.hostile.files import HostileFile, columns, h5ad, parquet
from tests.service.toy_tables import SAMPLES, SHEET, table


def files() -> Iterator[HostileFile]:
    says = "label|sheet"
    lines = SHEET.decode().split("\n")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("labels.csv", SHEET)
    for name, sheet in {
        "other samples": b"sample,label\nX1,a\nX2,b\nX3,a\n",
        "other case": SHEET.replace(b"\nS", b"\ns"),
        "numbers": b"sample,label\n1,a\n2,b\n3,a\n",
        "genes": b"sample,label\nENSMUSG00000000001,a\n",
        "sample twice": SHEET + b"S1,a,m9\n",
        "samples all alike": b"sample,label\n" + b"S1,a\n" * 6,
        "column twice": SHEET.replace(b"subject", b"label"),
        "empty columns twice": b"sample,,\n" + b"".join(f"{name},a,b\n".encode() for name in SAMPLES),
        "white": b" \n \n",
        "header only": b"sample,label,subject\n",
        "byte order mark only": "\ufeff".encode(),
        "line too long": SHEET + b"S7,a,m1,extra\n",
        "line too short": SHEET.replace(b"S3,c,m2", b"S3,c"),
        "quote not closed": SHEET.replace(b"S3,c", b'S3,"c'),
        "field of 200,000 letters": SHEET.replace(b"S3,c", b'S3,"' + b"x" * 200_000 + b'"'),
        "utf-16": SHEET.decode().encode("utf-16"),
        "utf-32": SHEET.decode().encode("utf-32"),
        "latin-1": SHEET.replace(b"S3,c", b"S3,\xfc"),
        "NUL": b"\0" * 5000,
        "noise": bytes(range(256)) * 40,
        "ELF": b"\x7fELF\x02\x01\x01" + bytes(range(256)),
        "zip": packed.getvalue(),
        "HDF5": h5ad(),
        "Parquet of counts": parquet(columns()),
        "Parquet cut short": parquet(columns())[:-9],
        "gzip cut short": gzip.compress(SHEET, mtime=0)[:-9],
        "gzip damaged": gzip.compress(SHEET, mtime=0)[:-8] + b"\0" * 8,
        "gzip in gzip": gzip.compress(gzip.compress(SHEET, mtime=0), mtime=0),
        "the table itself": table(),
        "json": b'{"S1": "a", "S2": "b"}\n',
        "html": b"<html>\n<body>sign in</body>\n</html>\n",
        "passwd": b"/etc/passwd\n",
        "columns without end": b"sample,"
        + b",".join(b"c%d" % number for number in range(100_000))
        + b"\n"
        + b"S1"
        + b",a" * 100_000
        + b"\n",
        "transposed": "\n".join(
            ",".join(row) for row in zip(*(line.split(",") for line in lines[:-1]), strict=True)
        ).encode(),
    }.items():
        yield HostileFile("sheets", name, table(), says, sheet)
    row, larger = b"S9,a,m1\n", says + "|times its size"
    for name, piece, n_mib in (("NUL", b"\0", 1024), ("rows", row, 1024), ("letters", b"S", 2000)):
        yield HostileFile(
            "sheets that are bombs", name, table(), larger, lambda b=piece, n=n_mib: _bomb(b, n)
        )
    yield HostileFile("sheets that are bombs", "larger than a sheet", table(), "larger", b"x" * (17 * 2**20))


def _bomb(piece: bytes, n_mib: int) -> bytes:
    """Gzip of a good start and one text again and again."""
    packer = zlib.compressobj(9, wbits=31)
    block = piece * (2**20 // len(piece))
    parts = [packer.compress(SHEET), *(packer.compress(block) for _ in range(n_mib)), packer.flush()]
    return b"".join(parts)
