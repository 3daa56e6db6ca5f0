"""Phase II: from a base checkpoint and contrasts to a guide."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import pandas as pd

from cluster.failure_policy import Limits
from cluster.local import ray_session
from cluster.supervisor import Listener, Supervisor
from rnalearner.checkpoint import WEIGHTS, check_same, load_meta
from rnalearner.config import RunConfig
from rnalearner.guide.faults import Base
from rnalearner.guide.scaling import Guide
from rnalearner.guide.versions import Version
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity, load_encoder
from rnalearner.publish import sha256_of
from rnalearner.scouts.contrast import Contrast
from rnalearner.scouts.delta import EpisodeResult
from rnalearner.shards.read import ShardStore
from rnalearner.shared import hand_on


@dataclass
class ScoutingResult:
    """The guide, its versions, how each scout ended (in the order they finished), who was left out."""

    guide: Guide
    versions: list[Version]
    results: list[EpisodeResult] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    """Stragglers that no quorum waited for, and scouts that a converged guide had no need of."""
    seconds: float = 0.0

    @property
    def converged(self) -> bool:
        """Whether the guide had, before all scouts had run."""
        return any(why.startswith("not needed") for why in self.left_out.values())

    def table(self, contrasts: Sequence[Contrast]) -> pd.DataFrame:
        """A row a scout, in the order of their numbers; `failed` is empty for those that succeeded."""
        members = set(self.versions[-1].members) if self.versions else set()
        rows = [asdict(result) | {"failed": ""} for result in self.results]
        known = {row["scout_id"] for row in rows}
        others = {i: why for i, why in (self.failures | self.left_out).items() if i not in known}
        rows += [{"scout_id": i, "name": contrasts[i].name, "failed": why} for i, why in others.items()]
        table = pd.DataFrame(rows).sort_values("scout_id", ignore_index=True)
        return table.assign(in_guide=table["scout_id"].isin(members))


def run_scouting(
    layout: RunLayout,
    config: RunConfig,
    contrasts: Sequence[Contrast],
    on_progress: Listener = lambda progress: None,
    limits: Limits | None = None,
) -> ScoutingResult:
    """Run a scout a contrast from layout.base_checkpoint over layout.shards; publish layout.guide.

    A scout's number is its contrast's place. What an interrupted run of the same phase has committed is
    gone on from. `on_progress` hears of every scout: each round, and how it ended. Raises
    CheckpointError where base checkpoint and shards do not fit, ClusterError where too many scouts failed.
    """
    begun = time.monotonic()
    layout = RunLayout(layout.root.resolve())
    store = ShardStore.open(layout.shards)
    same = identity(config.model, store.preprocessing, store.gene_set)
    check_same(layout.base_checkpoint, load_meta(layout.base_checkpoint), same)
    encoder, _ = load_encoder(layout.base_checkpoint, config.model, store.preprocessing, store.gene_set)
    base_sha256 = sha256_of(layout.base_checkpoint / WEIGHTS)
    trained = encoder.trained_parameters(config.scouting.trained_blocks)
    arrays = {name: value.detach().numpy() for name, value in trained.items()}
    base = Base.of(base_sha256, arrays, len(store.gene_set))
    del encoder, trained, arrays
    if (url := config.storage.url) is not None:
        hand_on(layout, config.storage, ("ingest", "pretrain"))
        deltas = config.scouting.deltas or f"{url}/deltas"
        scouting = config.scouting.model_copy(update={"deltas": deltas})
        config = config.model_copy(update={"scouting": scouting})
    with ray_session(config.ray):
        supervisor = Supervisor(layout, config, contrasts, base, same, on_progress, limits or Limits())
        try:
            supervisor.run()
        finally:
            supervisor.close()
    return ScoutingResult(
        Guide.load(layout.guide, same),
        supervisor.versions,
        list(supervisor.results.values()),
        supervisor.failures,
        supervisor.left_out,
        time.monotonic() - begun,
    )
