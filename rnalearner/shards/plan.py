"""Which studies fill which shard: pure, and the same whatever is done at once or was done before."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """A shard to be: its number in the store, and the studies whose samples go into it, in order."""

    number: int
    studies: tuple[str, ...]


def plan_pieces(sizes: Iterable[tuple[str, int]], rows_per_shard: int, first_number: int = 0) -> list[Piece]:
    """Studies with about how many samples each has, in order, packed until a shard is full.

    A study is never cut, because a shard is a piece of work that is done or not done: one of more than
    `rows_per_shard` samples has a shard of its own.
    """
    pieces: list[Piece] = []
    filling: list[str] = []
    n = 0
    for study, size in sizes:
        if filling and n + size > rows_per_shard:
            pieces.append(Piece(first_number + len(pieces), tuple(filling)))
            filling, n = [], 0
        filling.append(study)
        n += size
    if filling:
        pieces.append(Piece(first_number + len(pieces), tuple(filling)))
    return pieces
