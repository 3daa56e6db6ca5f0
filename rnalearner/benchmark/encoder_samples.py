"""A task's samples as one run's encoder takes them, and fine-tuning from one draw of them.

What lies below the trained part depends on the sample and the encoder alone: it is computed once and
shared by all draws, and by all arms that start from one encoder. Shapes: n samples, g genes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnalearner.benchmark.draws import Draw
from rnalearner.benchmark.tasks import LoadedTask
from rnalearner.config import FinetuneConfig, ModelConfig
from rnalearner.finetune.train import FinetuneResult, LabelledTokens, finetune
from rnalearner.guide.scaling import Guide
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.inputs import cohort_inputs
from rnalearner.model.prefix import FrozenPrefix
from rnalearner.shards.read import ShardStore


@dataclass(frozen=True, eq=False)
class TaskSamples:
    """The samples of a task's two groups, as the encoder of one run takes them."""

    inputs_ng: Tensor
    """Tokens, or centred values where the encoder takes these."""
    y_n: Tensor
    train_place: dict[int, int]
    """Row of the training side -> row here."""
    test_place: dict[int, int]

    @classmethod
    def of(cls, task: LoadedTask, store: ShardStore, model: ModelConfig) -> "TaskSamples":
        """On the run's genes and scale; values are centred by the whole side, labelled or not."""
        inputs, y, places, begun = [], [], [], 0
        sides = [task.train] if task.test is task.train else [task.train, task.test]
        for side in sides:
            labelled = np.flatnonzero(~np.isnan(side.y_n))
            counts_ng = side.counts(store.gene_set.ids)
            side_ng = cohort_inputs(counts_ng, side.total_n, store.preprocessing, model)
            inputs.append(side_ng[labelled])
            y.append(side.y_n[labelled].astype(np.int64))
            places.append({int(row): begun + i for i, row in enumerate(labelled)})
            begun += len(labelled)
        inputs_ng, y_n = torch.from_numpy(np.concatenate(inputs)), torch.from_numpy(np.concatenate(y))
        return cls(inputs_ng, y_n, places[0], places[-1])

    def below(self, encoder: ExpressionEncoder, config: FinetuneConfig) -> FrozenPrefix | None:
        """What lies below the trained part, for all samples; None where nothing is frozen."""
        attended = config.trained_part == "feedforward"
        first = encoder.first_trained_block(config.trained_blocks)
        if first == 0 and not attended:
            return None
        # One sample at a time stays within a core's cache: half the time of eight.
        size = 8 if encoder.gene_vectors_gd.is_cuda else 1
        return FrozenPrefix(
            encoder, self.inputs_ng, first, config.prefix_cache_mb, batch_size=size, attended=attended
        )

    def trained(self, draw: Draw) -> Tensor:
        """Rows here of a draw's training samples."""
        return torch.tensor([self.train_place[int(row)] for row in draw.train_rows])

    def tested(self, draw: Draw) -> Tensor:
        """Rows here of a draw's test samples."""
        return torch.tensor([self.test_place[int(row)] for row in draw.test_rows])

    def learn(
        self,
        draw: Draw,
        encoder: ExpressionEncoder,
        below: FrozenPrefix | None,
        config: FinetuneConfig,
        seed: int,
        *,
        guide: Guide | None = None,
        readout_d: Tensor | None = None,
        gene_weight_g: Tensor | None = None,
        skip: Mapping[str, Tensor] | None = None,
    ) -> FinetuneResult:
        """Fine-tune from one draw; the result holds what is said of its test samples."""
        places = {"train": self.trained(draw), "test": self.tested(draw)}
        return finetune(
            encoder,
            {
                split: LabelledTokens(self.inputs_ng[rows], self.y_n[rows], (skip or {}).get(split))
                for split, rows in places.items()
            },
            config,
            seed,
            guide=guide,
            device=encoder.gene_vectors_gd.device,
            prefixes=None if below is None else {s: below.subset(rows) for s, rows in places.items()},
            readout_d=readout_d,
            gene_weight_g=gene_weight_g,
            only="test",
        )
