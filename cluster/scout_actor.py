"""A scout's actor: loads the pretrained encoder once, then runs one episode after another."""

import shutil
from copy import deepcopy
from functools import partial
from pathlib import Path

import ray
import torch

from cluster.guide_actor import delta_folder
from rnalearner.checkpoint import WEIGHTS
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout
from rnalearner.model.build import load_encoder
from rnalearner.model.heads import seeded_classifier
from rnalearner.model.inputs import stored_inputs
from rnalearner.publish import sha256_of
from rnalearner.scouts.contrast import Contrast
from rnalearner.scouts.delta import WeightDelta, save_delta
from rnalearner.scouts.train import EpisodeResult, run_episode
from rnalearner.shards.read import ShardStore

MAX_UNACKNOWLEDGED = 2


class ScoutActor:
    """A thin shell over rnalearner.scouts.train; plain Python, made an actor by cluster.scouting."""

    def __init__(
        self, layout: RunLayout, config: RunConfig, guide_name: str, n_threads: int, use_gpu: bool
    ) -> None:
        """`guide_name`: the guide's actor, by name, because it may be another one after a failure."""
        torch.set_num_threads(n_threads)
        self.config, self.guide_name, self.deltas = config.scouting, guide_name, layout.deltas
        self.device = torch.device("cuda" if use_gpu else "cpu")
        self.store = ShardStore.open(layout.shards)
        self.encoder, _ = load_encoder(
            layout.base_checkpoint, config.model, self.store.preprocessing, self.store.gene_set
        )
        self.base_sha256 = sha256_of(layout.base_checkpoint / WEIGHTS)

    def run(self, scout_id: int, contrast: Contrast, attempt: int) -> EpisodeResult:
        """One episode; every delta is on disk and announced when this returns."""
        encoder = deepcopy(self.encoder)
        head = seeded_classifier(encoder.gene_vectors_gd, self.config.head, self.config.head_seed)
        guide = ray.get_actor(self.guide_name)
        outbox = _Outbox(guide, self.deltas, scout_id)
        result = run_episode(
            encoder,
            head,
            scout_id,
            contrast,
            partial(stored_inputs, self.store, config=self.encoder.config),
            self.config,
            self.base_sha256,
            outbox.send,
            guide.report.remote,
            attempt=attempt,
            device=self.device,
        )
        outbox.flush()
        return result


class _Outbox:
    """Writes a delta, then announces it; at most two announcements wait for their answer."""

    def __init__(self, guide: "ray.actor.ActorHandle", deltas: Path, scout_id: int) -> None:
        self.guide, self.deltas, self.scout_id = guide, deltas, scout_id
        self.waiting: list[ray.ObjectRef] = []

    def send(self, delta: WeightDelta) -> None:
        save_delta(delta_folder(self.deltas, delta.scout_id, delta.attempt, delta.seq), delta)
        self.waiting.append(self.guide.announce.remote(delta.scout_id, delta.attempt, delta.seq))
        while len(self.waiting) > MAX_UNACKNOWLEDGED:
            self._acknowledged()

    def flush(self) -> None:
        while self.waiting:
            self._acknowledged()

    def _acknowledged(self) -> None:
        """Take the oldest answer, and delete what it has made superfluous."""
        newest = delta_folder(self.deltas, self.scout_id, *ray.get(self.waiting.pop(0)))
        for older in newest.parent.glob("[0-9]*-[0-9]*"):
            if older.name < newest.name:
                shutil.rmtree(older, ignore_errors=True)
