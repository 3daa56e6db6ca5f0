"""Guides that know less: where one of them does as well, what it lacks did not help.

Shuffled within tensors: which parameter may move is lost, how much each tensor may is kept. Shuffled
across tensors: that is lost too, and the histogram of the whole is kept. Constant: only how much moves
in all is kept. Of a gene guide, the genes change places, or are all alike.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from rnalearner.errors import CheckpointError
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.guide.scaling import Guide


def restricted(guide: Guide, names: Collection[str]) -> Guide:
    """The guide of these parameters alone, so that controls keep what is said of those that train.

    Raises CheckpointError where the guide does not know one of them.
    """
    unknown = sorted(set(names) - guide.values.keys())
    if unknown:
        remedy = "let finetune.trained_blocks be scouting.trained_blocks or fewer"
        raise CheckpointError("guide", f"does not know {unknown[0]}, which fine-tuning trains", remedy)
    return Guide({name: guide.values[name] for name in sorted(names)}, guide.meta)


def shuffled_within(guide: Guide, rng: np.random.Generator) -> Guide:
    """Every tensor's values in another order: its histogram stays."""
    return _with(guide, {name: _shuffled(guide.values[name], rng) for name in sorted(guide.values)}, "within")


def shuffled_across(guide: Guide, rng: np.random.Generator) -> Guide:
    """All values in another order over all tensors: the histogram of the whole stays."""
    names = sorted(guide.values)
    values = _shuffled(torch.cat([guide.values[name].flatten() for name in names]), rng)
    parts = values.split([guide.values[name].numel() for name in names])
    shaped = {n: part.reshape(guide.values[n].shape).clone() for n, part in zip(names, parts, strict=True)}
    return _with(guide, shaped, "across")


def constant(guide: Guide) -> Guide:
    """Every value the mean over all parameters."""
    numbers = sum(value.numel() for value in guide.values.values())
    mean = sum(value.double().sum().item() for value in guide.values.values()) / numbers
    return _with(guide, {n: torch.full_like(value, mean) for n, value in guide.values.items()}, "constant")


def shuffled_genes(guide: GeneGuide, rng: np.random.Generator) -> GeneGuide:
    """What is said of a gene is said of another, its residual spread included."""
    order = rng.permutation(len(guide.genes))
    values = {name: getattr(guide, name)[order] for name in ("guide_g", "residual_g", "n_studies_g")}
    return replace(guide, **values, meta=guide.meta | {"control": "shuffled"})


def constant_genes(guide: GeneGuide) -> GeneGuide:
    """The same is said of every gene: the means over all."""
    flat = {name: np.full_like(v := getattr(guide, name), v.mean()) for name in ("guide_g", "residual_g")}
    return replace(guide, **flat, meta=guide.meta | {"control": "constant"})


def _shuffled(value: Tensor, rng: np.random.Generator) -> Tensor:
    order = torch.from_numpy(rng.permutation(value.numel()))
    return value.flatten()[order].reshape(value.shape)


def _with(guide: Guide, values: dict[str, Tensor], control: str) -> Guide:
    return Guide(values, guide.meta | {"control": control})
