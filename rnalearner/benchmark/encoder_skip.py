"""The linear model beside the encoder, fitted to each draw. Shapes: n and m samples, g genes, c classes."""

import numpy as np
import torch
from torch import Tensor

from rnalearner.benchmark.draws import Draw
from rnalearner.benchmark.tasks import LoadedTask
from rnalearner.config import RunConfig
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.linear.guided import fit_guided


class Skips:
    """Logits of `finetune.skip` for the samples of a draw; those of one draw and guide are fitted once."""

    def __init__(self, task: LoadedTask, config: RunConfig) -> None:
        self.task, self.config = task, config
        self._known: dict[tuple[int, int | None], dict[str, Tensor]] = {}
        self._guides: list[GeneGuide] = []
        """Kept alive, so that none is mistaken for another at the same address."""

    def of(self, draw: Draw, guide: GeneGuide | None) -> dict[str, Tensor] | None:
        """Logits n x 2 of `train` and m x 2 of `test`; None where the recipe wants no skip."""
        kind = self.config.finetune.skip
        if kind == "none":
            return None
        guide = guide if kind == "guided" else None
        key = (draw.number, None if guide is None else id(guide))
        if key not in self._known:
            if guide is not None:
                self._guides.append(guide)
            self._known[key] = self._fitted(draw, guide)
        return self._known[key]

    def _fitted(self, draw: Draw, guide: GeneGuide | None) -> dict[str, Tensor]:
        train, test, genes = self.task.train, self.task.test, self.task.genes
        y_n = train.y_n[draw.train_rows].astype(int)
        model = fit_guided(
            train.x_ng[draw.train_rows],
            y_n,
            genes=genes,
            cohort_mg=train.x_ng,
            guide=guide,
            config=self.config.linear,
        )
        column = {gene: place for place, gene in enumerate(genes)}
        used = [column[gene] for gene in model.genes]
        logits = {}
        for split, side, rows in (("train", train, draw.train_rows), ("test", test, draw.test_rows)):
            x_mg = side.x_ng[:, used]
            logit_m = model.slope * model.scores(x_mg[rows], x_mg)
            logits[split] = torch.from_numpy(np.stack([-logit_m / 2, logit_m / 2], axis=1)).float()
        return logits
