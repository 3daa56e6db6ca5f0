"""What a scouting is called."""

import hashlib
import json
from collections.abc import Sequence

from rnalearner.config import ScoutingConfig
from rnalearner.scouts.contrast import Contrast

FREE = {"deltas", "in_flight", "quorum", "grace_s", "guide_agreement", "onto", "prefix_cache_mb"}
FREE |= {"measure", "scaling", "weighing"}
"""Settings that no delta depends on."""


def run_id(base_checkpoint: str, config: ScoutingConfig, contrasts: Sequence[Contrast]) -> str:
    """A hash of all that deltas depend on: an interrupted scouting is found again, and no other is.

    `base_checkpoint`: sha256 of its weights.
    """
    digest = hashlib.sha256(base_checkpoint.encode())
    digest.update(config.model_dump_json(exclude=FREE).encode())
    for contrast in contrasts:
        digest.update(json.dumps([contrast.name, contrast.inside]).encode())
        for part in (contrast.rows_a, contrast.rows_b, contrast.learns_g):
            digest.update(b"none" if part is None else part.tobytes())
    return digest.hexdigest()[:32]
