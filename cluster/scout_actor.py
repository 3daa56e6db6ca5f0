"""A scout's actor: loads the pretrained encoder once, then runs one episode after another."""

from copy import deepcopy
from functools import partial

import ray
import torch

from cluster.outbox import Outbox
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout
from rnalearner.model.build import load_encoder
from rnalearner.model.heads import seeded_classifier
from rnalearner.model.inputs import stored_inputs
from rnalearner.scouts.activations import SharedActivations
from rnalearner.scouts.delta import EpisodeResult
from rnalearner.scouts.train import Scout, run_episode
from rnalearner.shards.read import ShardStore
from rnalearner.shared import on_this_host
from rnalearner.storage import Storage


class ScoutActor:
    """A thin shell over rnalearner.scouts.train; plain Python, made an actor by cluster.scouting."""

    def __init__(
        self, layout: RunLayout, config: RunConfig, place: str, guide_name: str, n_threads: int, use_gpu: bool
    ) -> None:
        """`place`: where deltas and states lie. `guide_name`: the guide's actor."""
        torch.set_num_threads(n_threads)
        self.config, self.guide_name, self.storage = config.scouting, guide_name, Storage(place)
        self.device = torch.device("cuda" if use_gpu else "cpu")
        layout = on_this_host(layout, config.storage, ("ingest", "pretrain"))
        self.store = ShardStore.open(layout.shards)
        self.encoder, _ = load_encoder(
            layout.base_checkpoint, config.model, self.store.preprocessing, self.store.gene_set
        )
        # Kept from scout to scout: those that share sample clusters share them.
        self.shared = SharedActivations(config.scouting.prefix_cache_mb)

    def run(self, scout: Scout, attempt: int) -> EpisodeResult:
        """One episode, or the rest of one; every delta is committed when this returns."""
        encoder = deepcopy(self.encoder)
        head = seeded_classifier(encoder.gene_vectors_gd, self.config.head, self.config.head_seed)
        outbox = Outbox(self.guide_name, self.storage, scout.run, scout.scout_id, attempt)
        guide = ray.get_actor(self.guide_name)
        result = run_episode(
            encoder,
            head,
            scout,
            partial(stored_inputs, self.store, config=self.encoder.config),
            self.config,
            outbox.send,
            guide.report.remote,
            resume=outbox.begin(),
            device=self.device,
            shared=self.shared,
        )
        outbox.flush()
        return result
