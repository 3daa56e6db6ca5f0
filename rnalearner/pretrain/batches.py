"""From stored counts to masked batches, for training and for validation.

Shapes: n samples, g genes, b bins, m masked positions.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from rnalearner.config.pretrain import PretrainConfig
from rnalearner.preprocessing import pipeline
from rnalearner.pretrain.baselines import TrivialScore, bin_histogram, trivial_score
from rnalearner.pretrain.centring import Centring
from rnalearner.pretrain.counters import counter_generator
from rnalearner.pretrain.masking import MaskedBatch, mask_bins, mask_values, row_draws
from rnalearner.shards.read import ShardStore
from rnalearner.shards.sampling import EpochPlan
from rnalearner.shards.thinning import thin

S = TypeVar("S")
T = TypeVar("T")
READ_ROWS = 64
"""Samples read at a time where all are read in order."""
MAKERS = 4
"""Threads that make batches of what one more thread reads. That one reads 5,000 samples of 15,000 genes a
second, and each of these makes 4,000, or 400 thinned ones; a GPU takes 300. Idle threads cost nothing."""


class Read(NamedTuple):
    """A batch as it is stored: rows n of the store, counts n x g (NaN = not measured), totals n."""

    rows: np.ndarray
    counts_ng: np.ndarray
    total_n: np.ndarray
    epoch: int
    """The epoch that its masks are of."""


@dataclass(frozen=True)
class PretrainData:
    """The samples that train and those that are scored, which are of other studies.

    Batches are of bins, or of centred values where there is a `centring`.
    """

    store: ShardStore
    rows_train: np.ndarray
    rows_valid: np.ndarray
    config: PretrainConfig
    shuffle_groups: int = 16
    centring: Centring | None = None

    def training(self, epoch: int, start: int, rank: int = 0, num_ranks: int = 1) -> Iterator[MaskedBatch]:
        """This rank's batches of `epoch` from batch `start` on; masks differ in every epoch."""
        return map(self.made, self.reads(epoch, start, rank, num_ranks))

    def reads(self, epoch: int, start: int, rank: int = 0, num_ranks: int = 1) -> Iterator[Read]:
        """What `made` makes the batches of `training` of."""
        for rows, counts_ng, total_n in self.store.iter_plan(self.plan(epoch, rank, num_ranks), start):
            yield Read(rows, counts_ng, total_n, epoch)

    def made(self, read: Read) -> MaskedBatch:
        """A function of seed, epoch and rows alone: threads may make batches side by side."""
        rows, counts_ng, total_n, epoch = read
        if self.config.thinning:
            counts_ng, total_n = self._thinned(rows, counts_ng, total_n, epoch)
        return self._masked(rows, counts_ng, total_n, "training mask", epoch)

    def plan(self, epoch: int, rank: int, num_ranks: int) -> EpochPlan:
        """Which rows make which batch; raises RecipeError where there is not one for every rank."""
        return EpochPlan(
            self.store.group_starts,
            self.rows_train,
            self.config.batch_size,
            self.config.seed,
            epoch,
            rank,
            num_ranks,
            self.shuffle_groups,
        )

    def validation(self, rank: int = 0, num_ranks: int = 1) -> Iterator[MaskedBatch]:
        """This rank's share of the scored samples; a sample's mask is the same at every validation."""
        rows_of_rank = self.rows_valid[rank::num_ranks]
        for rows, counts_ng, total_n in self.store.iter_rows(rows_of_rank, self.config.batch_size):
            yield self._masked(rows, counts_ng, total_n, "validation mask", 0)

    def histogram(self) -> np.ndarray:
        """How often each gene has each bin in the training samples, g x b, in one pass."""
        bins_batches = (
            pipeline.tokens(counts_ng, total_n, self.store.preprocessing)
            for _, counts_ng, total_n in self.store.iter_rows(np.sort(self.rows_train), READ_ROWS)
        )
        return bin_histogram(bins_batches, len(self.store.gene_set), self.store.vocabulary.n_bins)

    def trivial(self, histogram_gb: np.ndarray) -> TrivialScore:
        """The trivial predictors on exactly the positions that every validation scores."""
        return trivial_score(histogram_gb, ((b.gene_m.numpy(), b.label_m.numpy()) for b in self.validation()))

    def _masked(
        self, rows: np.ndarray, counts_ng: np.ndarray, total_n: np.ndarray, purpose: str, epoch: int
    ) -> MaskedBatch:
        config = self.config
        uniform_ng = row_draws(rows, counts_ng.shape[1], config.seed, purpose, epoch)
        if self.centring is not None:
            values_ng = pipeline.values(counts_ng, total_n, self.store.preprocessing)
            return mask_values(self.centring.centred(values_ng, rows), uniform_ng, config.mask_share)
        bins_ng = pipeline.tokens(counts_ng, total_n, self.store.preprocessing)
        return mask_bins(bins_ng, uniform_ng, config.mask_share, config.replace_share, self.store.vocabulary)

    def _thinned(
        self, rows: np.ndarray, counts_ng: np.ndarray, total_n: np.ndarray, epoch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        thinned_ng, keep_n = np.empty_like(counts_ng), np.empty(len(rows))
        for i, row in enumerate(rows):
            rng = counter_generator(self.config.seed, "thinning", epoch, int(row))
            keep_n[i] = 1 - self.config.thinning * rng.random()
            thinned_ng[i] = thin(counts_ng[i : i + 1], keep_n[i : i + 1], rng)[0]
        return thinned_ng, total_n * keep_n


def prefetched(items: Iterator[S], make: Callable[[S], T], makers: int = MAKERS) -> Generator[T, None, None]:
    """make(item) of each item (none is None), in their order, while earlier results are used.

    One thread takes the items, `makers` others make; at most twice as many are ahead of the caller.
    """
    with ThreadPoolExecutor(makers) as pool, ThreadPoolExecutor(1) as reader:

        def started() -> Future[T] | None:
            item = next(items, None)
            return None if item is None else pool.submit(make, item)

        ahead = deque(reader.submit(started) for _ in range(2 * makers))
        while (result := ahead.popleft().result()) is not None:
            ahead.append(reader.submit(started))
            yield result.result()
