"""Good and bad tables, changed at random: the cases of a fuzzer. A case is known by its seed and number."""

import random
from collections.abc import Callable

from tests.hostile.seeds import seeds

FILES = {"csv": "table.txt", "h5": "table.h5ad", "parquet": "table.parquet"}
"""Format -> name under which the gateway keeps it."""
_TURN = 22
"""Of so many cases one is h5 and one is Parquet: they take longer, and text has more to say."""
_NASTY = (
    *(b"", b" ", b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\n", b"\t", b"#1.2\n"),
    *(b"1" * 400, b"9" * 5000, b"1" + b"0" * 308, "\u0661".encode(), "\u2028".encode()),
    *b'NA nan inf -1 1.5 1e999999999 1e-999 0x1F =1+1 a|b , ; # \' " "" sample gene'.split(),
    *b"ENSMUSG00000000001 ENSMUST00000000001 ENSG00000000001.1_PAR_Y __no_feature ERCC-00002".split(),
)
_EXTREMES = (0, 1, 2, 7, *(2**n - one for n in (7, 8, 15, 16, 31, 32, 40, 63) for one in (0, 1)), 2**64 - 1)

Change = Callable[[bytes, random.Random], bytes]


def case(seed: int, number: int, formats: tuple[str, ...] = tuple(FILES)) -> tuple[str, bytes]:
    """Format and bytes of one case: the same each time."""
    rng = random.Random(f"{seed} {number}")
    turn = number % _TURN
    wanted = {0: "h5", 1: "parquet"}.get(turn, "csv")
    kind = wanted if wanted in formats else formats[number % len(formats)]
    body = rng.choice(seeds(kind))
    changes = (*_OF_BYTES, *(_OF_TEXT if kind == "csv" else _OF_FIELDS))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        body = rng.choice(changes)(body, rng)
        if rng.random() < 0.05:
            body = _splice(body, rng.choice(seeds(kind)), rng)
    return kind, body


def _place(body: bytes, rng: random.Random) -> int:
    return rng.randrange(len(body) + 1)


def _flip_bit(body: bytes, rng: random.Random) -> bytes:
    place = min(_place(body, rng), len(body) - 1)
    return body[:place] + bytes([body[place] ^ 1 << rng.randrange(8)]) + body[place + 1 :] if body else body


def _delete(body: bytes, rng: random.Random) -> bytes:
    place = _place(body, rng)
    return body[:place] + body[place + rng.choice((1, 2, 8, 100, 2000)) :]


def _double(body: bytes, rng: random.Random) -> bytes:
    place = _place(body, rng)
    piece = body[place : place + rng.choice((1, 8, 100, 2000))]
    return body[:place] + piece * rng.choice((2, 3, 50)) + body[place + len(piece) :]


def _cut(body: bytes, rng: random.Random) -> bytes:
    return body[: _place(body, rng)]


def _noise(body: bytes, rng: random.Random) -> bytes:
    place, noise = _place(body, rng), rng.randbytes(rng.choice((1, 4, 16, 200)))
    return body[:place] + noise + body[place + len(noise) :]


def _move(body: bytes, rng: random.Random) -> bytes:
    one, two = sorted((_place(body, rng), _place(body, rng)))
    return (
        body[two:] + body[:one] + body[one:two]
        if rng.random() < 0.1
        else body[:one] + body[two:] + body[one:two]
    )


def _splice(body: bytes, other: bytes, rng: random.Random) -> bytes:
    return body[: _place(body, rng)] + other[_place(other, rng) :]


def _extreme(body: bytes, rng: random.Random) -> bytes:
    """An integer, as wide as a header's, at any place."""
    width, place = rng.choice((1, 2, 4, 8)), _place(body, rng)
    number = rng.choice(_EXTREMES) & (1 << 8 * width) - 1
    return body[:place] + number.to_bytes(width, "little") + body[place + width :]


def _swap_field(body: bytes, rng: random.Random) -> bytes:
    """Eight bytes, such as an address, by others of the same file."""
    one, two = (place & ~7 for place in (_place(body, rng), _place(body, rng)))
    return body[:one] + body[two : two + 8] + body[one + 8 :]


def _put(body: bytes, rng: random.Random) -> bytes:
    place = _place(body, rng)
    return body[:place] + rng.choice(_NASTY) + body[place:]


def _other_cell(body: bytes, rng: random.Random) -> bytes:
    lines = body.split(b"\n")
    row = rng.randrange(len(lines))
    cells = lines[row].split(b",")
    cells[rng.randrange(len(cells))] = rng.choice(_NASTY)
    lines[row] = b",".join(cells)
    return b"\n".join(lines)


def _other_lines(body: bytes, rng: random.Random) -> bytes:
    lines = body.split(b"\n")
    row, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[row : row + rng.choice((0, 1, 1, 5))] = [lines[other]] * rng.choice((0, 1, 2, 300))
    return b"\n".join(lines)


def _other_delimiter(body: bytes, rng: random.Random) -> bytes:
    old, new = rng.sample((b",", b"\t", b";", b" ", b"\n", b"\r\n", b"|"), 2)
    return body.replace(old, new, rng.choice((1, 5, -1)))


_OF_BYTES: tuple[Change, ...] = (_flip_bit, _delete, _double, _cut, _noise, _move)
_OF_TEXT: tuple[Change, ...] = (_put, _other_cell, _other_cell, _other_lines, _other_delimiter)
_OF_FIELDS: tuple[Change, ...] = (_flip_bit, _extreme, _extreme, _extreme, _swap_field)
