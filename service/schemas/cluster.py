"""The cluster that jobs run on."""

from typing import Any

from service.schemas.base import Public


class Node(Public):
    """One machine of it."""

    id: str
    alive: bool
    resources: dict[str, Any]
    """CPU, GPU, memory: how much it has."""


class ClusterPublic(Public):
    nodes: list[Node]
