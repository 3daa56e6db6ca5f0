"""Samples of a table and of its sheet that are perhaps the same, though their names differ."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rnalearner.counts.opening import short


class NearMiss(NamedTuple):
    """A sample of the table, the line of the sheet that it may be, and how their names differ."""

    in_table: str
    in_sheet: str
    difference: str

    def __str__(self) -> str:
        return f"{short(self.in_table)} is perhaps {short(self.in_sheet)} ({self.difference})"


def as_r(name: str) -> str:
    """As R's make.names does, so that both spellings meet: `143_a-b` and `X143_a.b` -> `143.a.b`."""
    return re.sub(r"[^0-9A-Za-z]+", ".", re.sub(r"^X(?=\d)", "", name))


def near_misses(in_table: Sequence[str], in_sheet: Sequence[str]) -> list[NearMiss]:
    """Pairs of names that nothing else comes near, most alike first; a guess, so for a person to judge.

    Alike but for case, or for punctuation; one with a word more in front or behind (`S1_quant`, `S1`);
    or all of one side with the same beginning or end.
    """
    found: list[NearMiss] = []
    table, sheet = list(in_table), list(in_sheet)

    def pair(key: Callable[[str], str], other: Callable[[str], str], difference: str) -> None:
        pairs = _unique_pairs(table, sheet, key, other)
        found.extend(NearMiss(one, two, difference) for one, two in pairs)
        for one, two in pairs:
            table.remove(one)
            sheet.remove(two)

    pair(str.casefold, str.casefold, "other case")
    pair(_folded, _folded, "other punctuation")
    found += (pairs := _with_a_word_more(table, sheet))
    table = [name for name in table if name not in {miss.in_table for miss in pairs}]
    sheet = [name for name in sheet if name not in {miss.in_sheet for miss in pairs}]
    if len(table) > 1 and len(sheet) > 1:
        pair(_without_common(table), _without_common(sheet), "but for what all have in common")
    return found


def _folded(name: str) -> str:
    return as_r(name).casefold().strip(".")


def _unique_pairs(
    table: Iterable[str], sheet: Iterable[str], key: Callable[[str], str], other: Callable[[str], str]
) -> list[tuple[str, str]]:
    """Names whose keys agree, where only one of either side has that key."""
    ours, theirs = _by_key(table, key), _by_key(sheet, other)
    return [
        (names[0], theirs[word][0])
        for word, names in ours.items()
        if word and len(names) == 1 and len(theirs.get(word, ())) == 1
    ]


def _by_key(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found


def _with_a_word_more(table: Sequence[str], sheet: Sequence[str]) -> list[NearMiss]:
    of_table, of_sheet = _by_key(table, _folded), _by_key(sheet, _folded)
    near = [(one, two) for one in table for word in _parts(one) for two in of_sheet.get(word, ())]
    near += [(one, two) for two in sheet for word in _parts(two) for one in of_table.get(word, ())]
    near = list(dict.fromkeys(near))
    ours, theirs = Counter(one for one, _ in near), Counter(two for _, two in near)
    return [
        NearMiss(one, two, "with words more" if len(one) > len(two) else "with words less")
        for one, two in near
        if ours[one] == 1 and theirs[two] == 1
    ]


def _parts(name: str) -> list[str]:
    """Beginnings and ends of whole words: `a.b.c` -> `a`, `a.b`, `b.c`, `c`."""
    words = _folded(name).split(".")
    cuts = range(1, len(words))
    return list(
        dict.fromkeys([".".join(words[:cut]) for cut in cuts] + [".".join(words[cut:]) for cut in cuts])
    )


def _without_common(names: Sequence[str]) -> Callable[[str], str]:
    folded = [_folded(name) for name in names]
    start = _common_start(folded)
    end = _common_start([name[start:][::-1] for name in folded])
    return lambda name: _folded(name)[start : len(_folded(name)) - end]


def _common_start(names: Sequence[str]) -> int:
    """Letters that all begin with: the first and the last in order differ soonest."""
    first, last = min(names), max(names)
    differing = (at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])
    return next(differing, min(len(first), len(last)))
