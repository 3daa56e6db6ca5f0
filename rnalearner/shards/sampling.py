"""Which samples make which batch: a pure function of seed, epoch and rank."""

from collections.abc import Iterator

import numpy as np

from rnalearner.errors import RecipeError


class EpochPlan:
    """The batches of one rank in one epoch: near-random order, read by whole row groups.

    `group_starts` are the first global rows of the row groups, and the row after the last
    (`ShardStore.group_starts`); `rows` are the global rows to draw from, any subset. The row
    groups are permuted by (seed, epoch), their rows dealt in equal parts to the ranks, and the
    rows shuffled within windows of `shuffle_groups` groups, so that a reader holds one window at
    a time. Every rank gets the same number of batches; fewer than num_ranks × batch_size rows are
    left out, others in each epoch.

    Equal parts, rather than whole groups, because groups of which `rows` holds unlike numbers
    would leave ranks with unlike numbers of samples; the price is one group read by two ranks at
    each border. Raises RecipeError where there is not one batch for every rank.
    """

    def __init__(
        self,
        group_starts: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        seed: int,
        epoch: int,
        rank: int = 0,
        num_ranks: int = 1,
        shuffle_groups: int = 16,
    ) -> None:
        rows = np.asarray(rows, dtype=np.int64)
        per_rank = len(rows) // num_ranks
        self.batch_size = batch_size
        self.n_batches = per_rank // batch_size
        if self.n_batches == 0:
            raise RecipeError(
                "pretrain.batch_size",
                f"{len(rows)} samples do not fill one batch of {batch_size} on each of {num_ranks} workers",
                "lower batch_size or num_workers, or give more samples",
            )
        rng = np.random.default_rng([seed, epoch])
        group_r = np.searchsorted(group_starts, rows, side="right") - 1
        place = rng.permutation(len(group_starts))  # of each group in this epoch's order
        # Random also within a group: its rows may fall to two ranks.
        order = np.lexsort((rng.random(len(rows)), place[group_r]))
        mine = order[rank * per_rank : rank * per_rank + self.n_batches * batch_size]
        place_m = place[group_r[mine]]
        nth_group_m = np.concatenate([[0], np.cumsum(np.diff(place_m) != 0)])
        window_m = nth_group_m // shuffle_groups
        shuffle = np.lexsort((np.random.default_rng([seed, epoch, rank]).random(len(mine)), window_m))
        self._rows = rows[mine[shuffle]]
        self._window_stops = np.append(np.flatnonzero(np.diff(window_m)) + 1, len(mine))

    def batches(self, start: int = 0) -> Iterator[np.ndarray]:
        """Global rows of batch `start` and those after it; each of length batch_size."""
        for batch in range(start, self.n_batches):
            yield self._rows[batch * self.batch_size : (batch + 1) * self.batch_size]

    def windows(self, start: int = 0) -> Iterator[np.ndarray]:
        """The rows of `batches(start)` in the same order, cut where a reader changes row groups."""
        begin = start * self.batch_size
        for stop in self._window_stops:
            if stop > begin:
                yield self._rows[begin:stop]
                begin = int(stop)
