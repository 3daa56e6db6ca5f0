"""The encoder's arms on one task: every draw and seed fine-tuned, as rows of the table of results."""

import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from rnalearner.benchmark.draws import Draw
from rnalearner.benchmark.encoder_guides import ArmGuides
from rnalearner.benchmark.encoder_samples import TaskSamples
from rnalearner.benchmark.encoder_skip import Skips
from rnalearner.benchmark.results import result_row, results_table
from rnalearner.benchmark.tasks import LoadedTask
from rnalearner.config import RunConfig
from rnalearner.errors import RecipeError
from rnalearner.finetune.arms import arm_encoder
from rnalearner.finetune.readout import stored_readout
from rnalearner.layout import RunLayout
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.shards.read import ShardStore

OnFinetuned = Callable[[int, int], None]
"""Fine-tunings done, and all."""


@dataclass(frozen=True)
class EncoderArm:
    """Where an arm starts, and what of the guide it is given."""

    start: str
    """none, vectors or pretrained, as `arm_encoder` takes it."""
    control: str | None = None
    """What is done to the guide: as_it_is, within, across, constant; None: no guide."""
    settings: tuple[tuple[str, str], ...] = ()
    """Fields of [finetune] that the arm sets."""


GRADIENT = ("guide_form", "gradient")
ARMS: dict[str, EncoderArm] = {
    "none": EncoderArm("none"),
    "vectors": EncoderArm("vectors"),
    "pretrained": EncoderArm("pretrained"),
    "guided": EncoderArm("pretrained", "as_it_is"),
    "guided_shuffled": EncoderArm("pretrained", "within"),
    "guided_shuffled_across": EncoderArm("pretrained", "across"),
    "guided_constant": EncoderArm("pretrained", "constant"),
    "guided_gradient_adam": EncoderArm("pretrained", "as_it_is", (GRADIENT, ("optimizer", "adamw"))),
    "guided_gradient_sgd": EncoderArm("pretrained", "as_it_is", (GRADIENT, ("optimizer", "sgd"))),
}
ENCODER_ARMS = tuple(ARMS)


def needs(arm: str) -> tuple[str, ...]:
    """The phases that a run must have behind it for an arm; raises RecipeError for an unknown arm."""
    if arm not in ARMS:
        choice = ", ".join(ENCODER_ARMS)
        raise RecipeError(f"encoder arm {arm!r}", "there is no such arm", f"use one of {choice}")
    if ARMS[arm].start == "none":
        return ("ingest",)
    return ("ingest", "pretrain", *(() if ARMS[arm].control is None else ("scout", "genes")))


def score_encoder(
    run: RunLayout,
    config: RunConfig,
    task: LoadedTask,
    k: int,
    draws: Sequence[Draw],
    arms: Sequence[str] = ENCODER_ARMS,
    seeds: Sequence[int] = range(5),
    device: torch.device | None = None,
    on_progress: OnFinetuned = lambda done, total: None,
) -> pd.DataFrame:
    """Fine-tune every arm from every draw and seed; rows as `results.COLUMNS`.

    `config` is the run's recipe: all arms take `config.finetune`, and what their name says. A row
    depends on the run, the recipe, the task, the draw, the arm and the seed, not on what else is
    asked. Raises RecipeError for an unknown arm, CheckpointError where the run lacks what it needs.
    """
    for arm in arms:
        needs(arm)
    device = device or torch.device("cpu")
    store = ShardStore.open(run.shards)
    samples = TaskSamples.of(task, store, config.model)
    guides = ArmGuides(run, config, store)
    skips = Skips(task, config)
    rows, total = [], len(arms) * len(seeds) * len(draws)
    for start in dict.fromkeys(ARMS[arm].start for arm in arms):
        of_start = [arm for arm in arms if ARMS[arm].start == start]
        for encoder, of_encoder in _encoders(run, config, store, start, seeds):
            encoder = encoder.to(device)
            below = samples.below(encoder, config.finetune)
            readout_d = stored_readout(run) if start == "pretrained" else None
            for arm, seed in itertools.product(of_start, of_encoder):
                settings = config.finetune.model_copy(update=dict(ARMS[arm].settings))
                for draw in draws:
                    # Another shuffle each time: the scores of one alone depend on it by some .03.
                    rng = np.random.default_rng([zlib.crc32(task.name.encode()), k, draw.number, seed])
                    guide, gene_guide = guides.of(ARMS[arm].control, encoder, rng)
                    result = samples.learn(
                        draw,
                        encoder,
                        below,
                        settings,
                        config.finetune.seed + seed,
                        guide=guide,
                        readout_d=readout_d,
                        gene_weight_g=guides.weights(gene_guide),
                        skip=skips.of(draw, gene_guide),
                    )
                    y_m, logits_mc = samples.y_n[samples.tested(draw)].numpy(), result.logits["test"]
                    score_m, p_m = logits_mc[:, 1] - logits_mc[:, 0], result.probability["test"][:, 1]
                    centred = settings.cohort_centring
                    rows.append(result_row(task, k, draw.number, seed, arm, centred, y_m, score_m, p_m))
                    on_progress(len(rows), total)
    return results_table(rows)


def _encoders(
    run: RunLayout, config: RunConfig, store: ShardStore, start: str, seeds: Sequence[int]
) -> Iterator[tuple[ExpressionEncoder, Sequence[int]]]:
    """Each encoder and the seeds that it serves: one for all, or a random one a seed."""
    if start == "pretrained":
        yield arm_encoder(run, config, store, start, config.finetune.seed), seeds
        return
    for seed in seeds:
        yield arm_encoder(run, config, store, start, config.finetune.seed + seed), [seed]
