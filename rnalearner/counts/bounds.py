"""How much a file may hold: asked of what it declares, or while it is unpacked, before memory is taken."""

import resource
from pathlib import Path

from rnalearner.errors import CountsError

GRACE = 2**26
"""Bytes that may come of any file, however small: a sparse table packs well."""
MOST_RATIO = 200
"""Beyond it nothing unpacks to more than so many times its size, which tables of counts do not come near."""
MOST_LINE = 2**26
"""Bytes of a line: a header of a million genes."""
MOST_LINES = 2_000_000
"""Of a packed table: exons and samples are fewer, and lines of a few bytes take far more in memory."""
MOST_COLUMNS = 200_000
"""Of a text table, samples or genes."""
_UNLIMITED = 2**36
"""Where memory has no limit: a dense matrix of half a million samples and 15,000 genes."""


def most_bytes() -> int:
    """A third of the address space that this process may have: what is read is copied, and turned round."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return _UNLIMITED if limit == resource.RLIM_INFINITY else min(_UNLIMITED, limit // 3)


def refuse_bomb(path: Path, n_bytes: int, stored: int, where: str = "") -> None:
    """Raises CountsError where `n_bytes` come, or shall come, of `stored` ones; `where` ends the sentence."""
    if n_bytes > most_bytes():
        what = f"declares {n_bytes / 2**30:.1f} GiB{where}, more than is read here"
        raise CountsError(path, what, "leave out samples, or cells, that the task does not need")
    if n_bytes > GRACE and n_bytes > MOST_RATIO * stored:
        what = f"unpacks to more than {MOST_RATIO} times its size{where}"
        raise CountsError(path, what, "give a table of counts, written as it is")
