"""Published models."""

from typing import Any, Literal

from service.schemas.base import Public, Time
from service.schemas.jobs import ModelId


class ModelPublic(Public):
    """What a job can start from."""

    id: ModelId
    name: str
    source: Literal["operator", "job"]
    """Who put it here: the operator, for all; or a job of your own."""
    has_guide: bool
    """Of the encoder's parameters: what the arm `guided` needs."""
    has_gene_guide: bool
    """Of genes: what a linear job uses."""
    n_genes: int
    card: dict[str, Any]
    """Gene set, scale, sizes, corpus, scores beside the trivial ones, guide, licence."""
    created: Time


class ModelList(Public):
    items: list[ModelPublic]
