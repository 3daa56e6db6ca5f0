"""Text that is no table: nothing in it, letters of other alphabets, rows that do not fit."""

import gzip
from collections.abc import Iterator

from tests.hostile.files import HostileFile, grid, joined, offsets
from tests.service.toy_tables import SAMPLES, table

_NOTHING = {
    "no byte": b"",
    "spaces": b"   \t  ",
    "new lines": b"\n" * 200,
    "carriage returns": b"\r\n\r\n",
    "one space a line": b" \n" * 500,
    "byte order mark": "\ufeff".encode(),
    "mark and new line": "\ufeff\n".encode(),
    "comments": b"# made by nobody\n# on no day\n",
    "gzip of nothing": gzip.compress(b"", mtime=0),
    "gzip of new lines": gzip.compress(b"\n" * 50, mtime=0),
}
_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
_UMLAUTS = ("latin-1", "cp1252", "cp437", "mac-roman", "iso8859-15", "cp850")


def files() -> Iterator[HostileFile]:
    yield from _empty()
    yield from _letters()
    yield from _rows()
    yield from _quotes()
    yield from _long()
    yield from _names()


def _empty() -> Iterator[HostileFile]:
    for name, body in _NOTHING.items():
        yield HostileFile("nothing", name, body, "empty|no byte|not a table|no table")
    header = ",".join(["gene", *SAMPLES])
    for delimiter in ",\t;":
        body = header.replace(",", delimiter).encode()
        for name, one in (
            ("header", body),
            ("header and line end", body + b"\n"),
            ("gz", gzip.compress(body)),
        ):
            yield HostileFile("header only", f"{name} {delimiter!r}", one, "no rows|empty")
    for name, body in {
        "names": "\n".join(row[0] for row in grid()).encode(),
        "numbers": b"\n".join(b"%d" % number for number in range(500)),
        "one word": b"gene",
        "a sentence": b"Please find the counts attached.\n" * 20,
        "pipes": table().replace(b",", b"|"),
        "bell": table().replace(b",", b"\x07"),
    }.items():
        yield HostileFile("one column", name, body, "not a table|no rows|header|number|empty|names|gene")


def _letters() -> Iterator[HostileFile]:
    for encoding in _ENCODINGS:
        body = table().decode().encode(encoding)
        for name, one in ((encoding, body), (f"{encoding} gz", gzip.compress(body, mtime=0))):
            yield HostileFile("utf-16 and utf-32", name, one, "UTF-8")
    for encoding in _UMLAUTS:
        body = table().decode().replace("S3", "M\u00fcnchen\u00e9").encode(encoding)
        yield HostileFile("other encodings", encoding, body, "UTF-8")
    cells = table(0, 300).split(b"\n")
    odd = {
        "shift-jis": table().decode().replace("S3", "\u5bfe\u7167").encode("shift-jis"),
        "gb18030": table().decode().replace("S3", "\u5bf9\u7167").encode("gb18030"),
        "koi8-r": table().decode().replace("S3", "\u043c\u044b\u0448\u044c").encode("koi8-r"),
        "ebcdic": table().decode().encode("cp500"),
        "overlong": table().replace(b"S3", b"S\xc0\xaf"),
        "surrogate": table().replace(b"S3", b"S\xed\xa0\x80"),
        "half a letter": table().replace(b"S3", b"S\xe2\x82"),
        "beyond Unicode": table().replace(b"S3", b"S\xf5\x80\x80\x80"),
        "latin-1 late": b"\n".join([*cells[:280], b"\xe9" + cells[280], *cells[281:]]),
        "mixed": table().replace(b"S3", "\u00fc".encode()).replace(b"S4", b"\xfc"),
    }
    for name, body in odd.items():
        yield HostileFile("other encodings", name, body, "UTF-8")
    nul = {
        "in a gene": table().replace(b"ENSMUSG00000000007", b"ENSMUSG0000\x00000007"),
        "in a sample": table().replace(b"S3", b"S\x003"),
        "in a cell": table().replace(b",", b",\x00", 20),
        "at the start": b"\x00" + table(),
        "at the end": table() + b"\x00" * 4096,
        "all": b"\x00" * 100_000,
        "between rows": table().replace(b"\n", b"\n\x00"),
        "late": b"\n".join([*cells[:290], cells[290].replace(b",", b",\x00", 2), *cells[291:]]),
    }
    for name, body in nul.items():
        yield HostileFile("NUL bytes", name, body, "NUL|number|fields|not a table|gene|columns|header")


def _rows() -> Iterator[HostileFile]:
    cells = grid(400)
    for number, row in enumerate(offsets(len(cells), 64)):
        changed = [list(line) for line in cells]
        changed[row] = changed[row][:-1] if number % 2 else [*changed[row], "7"]
        yield HostileFile("ragged rows", f"row {row}", joined(changed), "fields|columns|missing")
    for name, samples in {
        "two": [*SAMPLES[:5], "S1"],
        "all": ["S1"] * 6,
        "spaces": ["S1", "S1 ", *SAMPLES[2:]],
    }.items():
        head = ",".join(["gene", *samples])
        for ending, body in ((".csv", table()), (".long", table(0, 300))):
            changed = head.encode() + body[body.index(b"\n") :]
            yield HostileFile("duplicate samples", name + ending, changed, "twice")
    for name, body in {
        "first and last": joined([*grid(), grid()[1]]),
        "every gene": joined([*grid(), *grid()[1:]]),
        "late": joined([*grid(300), grid()[5]]),
        "spaces": joined([*grid(), [f" {grid()[3][0]} ", *grid()[3][1:]]]),
        "dates of Excel": joined([*grid(), ["1-Mar", *"123456"], ["1-Mar", *"234567"]]),
        "tabs": joined([*grid(), grid()[9]], "\t"),
    }.items():
        yield HostileFile("duplicate genes", name, body, "twice")
    wide = list(map(list, zip(*grid(), strict=True)))
    for name, body in {
        "gene": joined([[*row, row[5]] for row in wide]),
        "sample": joined([*wide, wide[1]]),
    }.items():
        kind = f"duplicate {name}s"
        yield HostileFile(kind, "wide", body, "twice")


def _quotes() -> Iterator[HostileFile]:
    for row in offsets(300, 16):
        cells = grid(300)
        cells[row][2] = '"' + cells[row][2]
        yield HostileFile("unclosed quotes", f"row {row}", joined(cells), "columns|quote|fields|number|rows")


def _long() -> Iterator[HostileFile]:
    size, says = 70 * 2**20, "line|columns|longer|field|one field|fields"
    yield HostileFile("long lines", "commas", lambda: b"," * size, says)
    yield HostileFile("long lines", "quoted", lambda: b'gene,S1\n"' + b"x" * size, says + "|quote")
    yield HostileFile("long lines", "late", lambda: table(0, 250) + b"1" * size, says + "|missing")
    yield HostileFile(
        "long lines", "name of 100 MB", lambda: table() + b"E" * (100 * 2**20) + b",1,2,3,4,5,6\n", says
    )
    yield HostileFile("long lines", "200 MB", lambda: b"1" * (200 * 2**20), says)
    yield HostileFile("many columns", "million", lambda: _wide(10**6), "columns")
    yield HostileFile("many columns", "million, gz", lambda: gzip.compress(_wide(10**6), 1), "columns")
    yield HostileFile("many columns", "300,000", lambda: _wide(300_000), "columns")
    yield HostileFile(
        "many columns", "million, header only", lambda: _wide(10**6).split(b"\n")[0], "columns|no rows"
    )
    yield HostileFile("many columns", "300,000 empty", lambda: (b"," * 300_000 + b"\n") * 4, "columns")


def _names() -> Iterator[HostileFile]:
    """Names longer than any name, and such as make a pattern try for long."""
    says = "name|letters|longer|line|field"
    for part in ("S", ".sorted", ".bam", "/", "a/", "|", ".", "_", "1"):
        samples = ["gene", *(part * (100_000 // len(part)) + f".{number}x" for number in range(6))]
        body = joined([samples, *grid()[1:]])
        yield HostileFile("names without end", f"samples of {part}", body, says)
        cells = [[f"{part * (100_000 // len(part))}{number}", *row[1:]] for number, row in enumerate(grid())]
        yield HostileFile(
            "names without end", f"genes of {part}", joined([grid()[0], *cells[1:]]), says + "|gene"
        )


def _wide(n_columns: int) -> bytes:
    head = b"gene," + b",".join(b"S%d" % number for number in range(n_columns))
    row = b"ENSMUSG%011d," + b",".join([b"1"] * n_columns)
    return b"\n".join([head, row % 1, row % 2, row % 3, b""])
