"""Scouting under fire: scouts, the guide's actor and raylets are killed; the guide must not show it.

    python benchmarks/chaos.py --kills 20

A local Ray cluster of three raylets and a head scouts twice from one base checkpoint: undisturbed, then
with KILLS random SIGKILLs, half of them at scouts, a quarter each at the guide's actor and at a raylet with
all that runs on it, which a new one replaces. --rounds sizes the work so that all kills fall inside it.

Printed last, one JSON object. guide_equal: the guide, its versions and the weights of every scout after every
round have the sha256 of the undisturbed run. lost: rounds without a row. doubled: rows, or members of the
guide, too many. slowdown: wall time over the undisturbed run's. recovery_p95_s: from a kill of a scout
to its next row, and from one of the guide's actor to anybody's.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray
import torch
from ray.cluster_utils import Cluster

from cluster.local import ensure_private_token, short_folder
from cluster.scouting import ScoutingResult, run_scouting
from rnalearner.checkpoint import WEIGHTS
from rnalearner.config import ModelConfig, RaySettings, RunConfig, ScoutingConfig
from rnalearner.guide.movement import Movement
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity, new_encoder, save_encoder
from rnalearner.publish import sha256_of
from rnalearner.scouts.contrast import Contrast
from tests.toy_corpus import N_GENES, write_toy_corpus

N_RAYLETS, N_SCOUTS = 3, 6
KINDS = ("scout", "scout", "guide", "raylet")
"""Half of the kills are of scouts."""
SCOUT = "ray::ScoutActor.run"
STANDSTILL_S = (5.0, 15.0)


class Fleet:
    """A local cluster whose raylets may be lost and replaced. Of the main thread alone: Ray asks for it."""

    def __init__(self) -> None:
        ensure_private_token()
        self._folder = folder = short_folder()
        # Ray's Cluster writes its address into this folder's `ray`, and makes neither; by default it is the
        # host's, where `ray.init` of anybody would find it.
        os.environ["RAY_TMPDIR"] = str(folder)
        (folder / "ray").mkdir()
        head = {"num_cpus": 0, "object_store_memory": 100 * 2**20, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head | {"temp_dir": str(folder)})
        self.raylets = [self._new() for _ in range(N_RAYLETS)]
        ray.init(address=self.cluster.address, log_to_driver=False, logging_level="ERROR")

    def lose(self, rng: random.Random) -> list[int]:
        """SIGKILL a raylet and its workers; another one takes its place. Returns the pids of its scouts."""
        lost = self.raylets.pop(rng.randrange(len(self.raylets)))
        (raylet,) = (info.process.pid for info in lost.all_processes["raylet"])
        pids = [process.pid for process in _below(raylet) if _title(process).startswith(SCOUT)]
        self.cluster.remove_node(lost, allow_graceful=False)
        self.raylets.append(self._new())
        return pids

    def close(self) -> None:
        ray.shutdown()
        self.cluster.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _new(self) -> Any:
        return self.cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20, include_dashboard=False)


@dataclass(frozen=True)
class Kill:
    kind: str
    at: float
    scouts: tuple[int, ...] = ()
    """Pids of the scouts that died of it."""


@dataclass
class Fire:
    """Kills, one after another."""

    fleet: Fleet
    rng: random.Random
    kinds: Sequence[str]
    pause_s: tuple[float, float]
    """Least and most between two kills."""
    kills: list[Kill] = field(default_factory=list)

    def kill(self) -> None:
        kind, at = self.rng.choice(self.kinds), time.time()
        if kind == "raylet":
            self.kills.append(Kill(kind, at, tuple(self.fleet.lose(self.rng))))
            return
        title = "ray::GuideActor" if kind == "guide" else SCOUT
        pids = [process.pid for process in _below(os.getpid()) if _title(process).startswith(title)]
        if pids and kind == "pause":
            self._pause(self.rng.choice(pids))
            self.kills.append(Kill(kind, at))
        elif pids:
            pid = self.rng.choice(pids)
            os.kill(pid, signal.SIGKILL)
            self.kills.append(Kill(kind, at, (pid,) if kind == "scout" else ()))

    def _pause(self, pid: int) -> None:
        """As if its host had swapped it out, or the network had: it goes on with what it held to be true."""
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.rng.uniform(*STANDSTILL_S))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def rage(self, n: int, work: threading.Thread) -> None:
        """Until `n` have been killed, or there is nothing left to disturb."""
        while len(self.kills) < n and work.is_alive():
            work.join(self.rng.uniform(*self.pause_s))
            if work.is_alive():
                self.kill()


def _below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it ended in between
        return ""


def prepared(root: Path, config: RunConfig) -> RunLayout:
    """Shards and an untrained base checkpoint, the same every time."""
    layout = RunLayout(root)
    store = write_toy_corpus(layout.shards)
    vectors_gd = torch.randn(N_GENES, config.model.dim, generator=torch.Generator().manual_seed(0))
    encoder = new_encoder(config.model, store.preprocessing, vectors_gd, seed=0)
    same = identity(config.model, store.preprocessing, store.gene_set)
    save_encoder(layout.base_checkpoint, encoder, same)
    return layout


def contrasts() -> list[Contrast]:
    """Halves of the samples that mean nothing: no scout converges before its last round."""
    rng, made = np.random.default_rng(0), []
    for number in range(N_SCOUTS):
        rows = rng.permutation(48)
        made.append(Contrast(f"halves {number}", "", np.sort(rows[:24]), np.sort(rows[24:])))
    return made


class Work(threading.Thread):
    """Scouting, in a thread of its own: the main one kills."""

    def __init__(self, layout: RunLayout, config: RunConfig) -> None:
        super().__init__(name="scouting")
        self.layout, self.config = layout, config
        self.result: ScoutingResult | None = None
        self.seconds = 0.0

    def run(self) -> None:
        begun = time.monotonic()
        self.result = run_scouting(self.layout, self.config, contrasts())
        self.seconds = time.monotonic() - begun


def rows_of(layout: RunLayout) -> list[tuple[Path, dict[str, Any]]]:
    # A dot: what was being written when its writer died.
    paths = sorted(p for p in layout.deltas.glob("*/rows/*/*") if not p.name.startswith("."))
    return [(path, json.loads(path.read_text())["row"]) for path in paths]


def told(layout: RunLayout) -> dict[str, Any]:
    """All that must be the same: the guide, its chain of versions, every scout's weights."""
    versions = sorted(layout.guide_version(1).parent.glob("*.json"))
    return {
        "guide": sha256_of(layout.guide / WEIGHTS),
        "movement": sha256_of(layout.movement / WEIGHTS),
        "versions": [json.loads(path.read_text()) for path in versions],
        "weights": {(row["scout_id"], row["seq"]): row["weights"] for _, row in rows_of(layout)},
        "deltas": {(row["scout_id"], row["seq"]): row["sha256"] for _, row in rows_of(layout)},
    }


def recoveries(layout: RunLayout, kills: list[Kill]) -> dict[str, list[float]]:
    """Seconds to the next row: of any scout after a kill of the guide's actor, else of the scout itself."""
    rows = [(path.stat().st_mtime, row["scout_id"], row["attempt"]) for path, row in rows_of(layout)]
    ran = {}
    for path in layout.deltas.glob("*/attempts/*/[0-9]*"):
        scout_id, attempt = int(path.parent.name.removeprefix("scout-")), int(path.name)
        ran.setdefault(int(path.read_text().split()[-1]), []).append(
            (path.stat().st_mtime, scout_id, attempt)
        )
    found: dict[str, list[float]] = {kind: [] for kind in (*KINDS, "pause")}
    for kill in kills:
        next_rows = [when for when, *_ in rows if when > kill.at] if kill.kind == "guide" else []
        for pid in kill.scouts:
            # A process runs one scout after another: the last that it began before it was killed.
            begun = [it for it in ran.get(pid, []) if it[0] < kill.at]
            if begun:
                _, scout_id, attempt = max(begun)
                next_rows += [min([when for when, i, a in rows if i == scout_id and a > attempt], default=0)]
        found[kill.kind] += [min(next_rows) - kill.at] if next_rows and min(next_rows) else []
    return found


def p95(seconds: list[float]) -> float | None:
    return round(float(np.percentile(seconds, 95)), 2) if seconds else None


def main() -> int:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rounds", type=int, help="of each of the scouts; by default enough for the kills")
    parser.add_argument("--pause", default="1.5,4.5", help="seconds between two kills, least and most")
    kinds = "what is killed, drawn from this list; `pause` stops a scout for a while instead"
    parser.add_argument("--kinds", default=",".join(KINDS), help=kinds)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rounds = asked.rounds or 60 + 8 * asked.kills
    config = RunConfig(
        model=ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8, feedforward_mult=2),
        scouting=ScoutingConfig(
            learning_rate=1e-3, max_epochs=rounds, in_flight=2, converged_accuracy=1, guide_agreement=1
        ),
        ray=RaySettings(use_gpu=False),
    )
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet()
        try:
            calm = Work(prepared(Path(folder, "calm"), config), config)
            calm.start()
            calm.join()
            least, most = (float(seconds) for seconds in asked.pause.split(","))
            fire = Fire(fleet, random.Random(asked.seed), asked.kinds.split(","), (least, most))
            work = Work(prepared(Path(folder, "fire"), config), config)
            work.start()
            fire.rage(asked.kills, work)
            work.join()
        finally:
            fleet.close()
        before, after = told(calm.layout), told(work.layout)
        members = [member.scout_id for member in Movement.load(work.layout.movement).members]
        due = {(scout_id, seq) for scout_id in range(N_SCOUTS) for seq in range(1, rounds + 1)}
        recovered = recoveries(work.layout, fire.kills)
        attempts = len(list(work.layout.deltas.glob("*/attempts/*/[0-9]*"))) - N_SCOUTS
        figures = {
            "kills": len(fire.kills),
            "guide_equal": before == after,
            "lost": len(due - after["deltas"].keys()),
            "doubled": len(rows_of(work.layout)) - len(after["deltas"]) + len(members) - len(set(members)),
            "slowdown": round(work.seconds / calm.seconds, 2),
            "undisturbed_s": round(calm.seconds, 1),
            "by_kind": {kind: sum(kill.kind == kind for kill in fire.kills) for kind in sorted(recovered)},
            "new_attempts": attempts,
            "recovery_p95_s": p95(recovered["scout"] + recovered["guide"]),
            "scout_p95_s": p95(recovered["scout"]),
            "guide_p95_s": p95(recovered["guide"]),
            "raylet_p95_s": p95(recovered["raylet"]),
            "recovery_median_s": round(float(np.median(recovered["scout"] + recovered["guide"] or [0])), 2),
            "rounds": len(due),
            "guide": after["guide"][:16],
        }
    print(json.dumps(figures))
    fine = figures["guide_equal"] and not figures["lost"] and not figures["doubled"]
    return 0 if fine and figures["kills"] == asked.kills else 1


if __name__ == "__main__":
    sys.exit(main())
