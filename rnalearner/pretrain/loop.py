"""The loop of pretraining: the same on one process and on many, with or without Ray."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count, islice

import torch
from torch import Tensor

from rnalearner.config.pretrain import PretrainConfig
from rnalearner.errors import RecipeError
from rnalearner.pretrain.batches import PretrainData, Read, prefetched
from rnalearner.pretrain.counters import counter_generator
from rnalearner.pretrain.loss import score_means
from rnalearner.pretrain.masking import MaskedBatch
from rnalearner.pretrain.schedule import learning_rate
from rnalearner.pretrain.state import Progress
from rnalearner.pretrain.step import PretrainModel, evaluate, train_step

OnStep = Callable[[int, Tensor], None]
"""Called after each update with the number of updates done and the step's score_3, on the device."""


@dataclass(frozen=True)
class Rank:
    """Which of how many data-parallel workers this is, and where its model lies."""

    rank: int = 0
    num_ranks: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))


def finished(progress: Progress, config: PretrainConfig) -> bool:
    return progress.stopping.stop or progress.step >= config.max_steps


def pretrain(
    model: PretrainModel,
    optimiser: torch.optim.Optimizer,
    data: PretrainData,
    progress: Progress,
    rank: Rank,
    on_step: OnStep = lambda step, score_3: None,
) -> Iterator[Progress]:
    """Train from `progress` on, yielding after each validation, until early stop or `max_steps`.

    What is yielded, with the model and the optimiser as they then are, is enough to go on from.
    Every worker sees the same validation loss, so all stop at the same step. Raises RecipeError
    where the loss is not a number.
    """
    config = data.config
    bf16 = config.precision == "bf16" or (config.precision == "auto" and rank.device.type == "cuda")
    with closing(_endless(data, progress.epoch, progress.batch, rank)) as stream:
        window_3 = torch.zeros(3, dtype=torch.float64, device=rank.device)
        clock = _Clock()
        while not finished(progress, config):
            if config.redraw_steps and progress.step and progress.step % config.redraw_steps == 0:
                model.encoder.redraw(_draw(config, "projections", progress.step))
            positions, micro_batches = zip(*islice(stream, config.accumulate), strict=True)
            rate = learning_rate(
                progress.step,
                config.learning_rate,
                config.warmup_steps,
                config.restart_steps,
                config.restart_mult,
            )
            score_3 = train_step(
                model,
                optimiser,
                [batch.to(rank.device) for batch in micro_batches],
                rate,
                config.clip_norm,
                bf16,
                dropout_seed=_draw(config, "dropout", progress.step, rank.rank),
            )
            window_3 += score_3
            epoch, batch = positions[-1]
            progress = replace(progress, step=progress.step + 1, epoch=epoch, batch=batch)
            clock.step(score_3, sum(b.n_samples for b in micro_batches) * rank.num_ranks)
            on_step(progress.step, score_3)
            if progress.step % config.evaluate_every == 0 or progress.step == config.max_steps:
                train_loss, train_accuracy = score_means(window_3)
                progress = clock.stop(progress)
                validation = data.validation(rank.rank, rank.num_ranks)
                valid_loss, valid_accuracy = score_means(evaluate(model, validation, bf16))
                if not math.isfinite(valid_loss):
                    what = f"the validation loss is {valid_loss} after {progress.step} steps"
                    raise RecipeError("pretrain.learning_rate", what, "lower it, or lengthen warmup_steps")
                row = {
                    "step": progress.step,
                    "epoch": progress.epoch,
                    "learning_rate": rate,
                    "train_loss": train_loss,
                    "train_accuracy": train_accuracy,
                    "valid_loss": valid_loss,
                    "valid_accuracy": valid_accuracy,
                    "samples_per_s": samples_per_s(progress),
                }
                stopping = progress.stopping.after(progress.step, valid_loss)
                progress = replace(progress, stopping=stopping, history=(*progress.history, row))
                yield progress
                window_3.zero_()
                clock.start()


def samples_per_s(progress: Progress) -> float:
    """Training samples a second, all workers together; 0 before there is anything to divide by."""
    return progress.timed_samples / progress.trained_s if progress.trained_s else 0.0


def _endless(
    data: PretrainData, epoch: int, start: int, rank: Rank
) -> Generator[tuple[tuple[int, int], MaskedBatch], None, None]:
    """Batches over epochs, each with the position (epoch, batch) of the one after it; made ahead.

    For a GPU in pinned memory, so that the loop need not wait until they are there.
    """

    def reads() -> Iterator[tuple[tuple[int, int], Read]]:
        for number in count(epoch):
            first = start if number == epoch else 0
            stored = data.reads(number, first, rank.rank, rank.num_ranks)
            yield from (((number, place), read) for place, read in enumerate(stored, first + 1))

    def made(item: tuple[tuple[int, int], Read]) -> tuple[tuple[int, int], MaskedBatch]:
        position, read = item
        batch = data.made(read)
        return position, batch.pinned() if rank.device.type == "cuda" else batch

    with closing(prefetched(reads(), made)) as stream:
        yield from stream


def _draw(config: PretrainConfig, purpose: str, *counters: int) -> int:
    return int(counter_generator(config.seed, purpose, *counters).integers(2**62))


class _Clock:
    """Time in steps; it starts after the first one, which waits for start-up and compilation."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._samples = 0

    def start(self) -> None:
        self._since, self._samples = time.perf_counter(), 0

    def step(self, score_3: Tensor, samples: int) -> None:
        if self._since is None:
            score_3.tolist()  # waits for the device
            self.start()
        else:
            self._samples += samples

    def stop(self, progress: Progress) -> Progress:
        if self._since is None:
            return progress
        return replace(
            progress,
            trained_s=progress.trained_s + time.perf_counter() - self._since,
            timed_samples=progress.timed_samples + self._samples,
        )
