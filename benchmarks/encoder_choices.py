"""What helps an encoder on few-shot tasks? One choice of the recipe changed at a time, on the same draws.

    rnalearner benchmark prepare --compendium DIR --tasks DIR/tasks.csv --runs RUNS --phases genes,pretrain
    python benchmarks/encoder_choices.py --compendium DIR --runs RUNS --out OUT --without mir150,microglia_c

Choices are in groups: `scouts` (which contrasts teach the guide), `forms` (how it is made and used), `heads`
(what is read off the encoder, what of it trains), `sizes` and `pretraining` (Phase I again, by Ray Train).
No linear model stands beside the encoder here, and all guided rows weigh genes by their residual spread
alone (gene_guide_power 0), so that what differs is the choice. Work is spread over plain processes, stored
choice by choice in OUT, and goes on where it was interrupted. Printed: AUROC of each arm as a mean over
families, its difference to the first row of its group with a bootstrap over families, last one JSON object.
"""

import argparse
import hashlib
import itertools
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from jobs.prepare import RECIPE
from jobs.run import run_verb
from jobs.scouted import scouted_samples
from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.draws import draws
from rnalearner.benchmark.encoder_arms import score_encoder
from rnalearner.benchmark.families import with_families
from rnalearner.benchmark.folds import Folds
from rnalearner.benchmark.statistics import difference, draw_scores, macro
from rnalearner.benchmark.tasks import LoadedTask, load_task, read_tasks
from rnalearner.config import RunConfig, load_recipe
from rnalearner.guide.movement import Movement
from rnalearner.guide.scaling import Guide, scaled
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity, load_encoder
from rnalearner.model.heads import seeded_classifier
from rnalearner.model.inputs import stored_inputs
from rnalearner.publish import publish_file
from rnalearner.scouts.contrast import Contrast
from rnalearner.scouts.delta import WeightDelta
from rnalearner.scouts.strategies import contrasts
from rnalearner.scouts.train import Scout, run_episode
from rnalearner.shards.read import ShardStore

ALONE = {
    "finetune.skip": "none",
    "finetune.gene_guide_power": 0.0,
    "finetune.epochs": 20,
    "finetune.restart_epochs": 20,
    "finetune.genes_per_step": 4096,
    "scouting.n_scouts": 8,
    "scouting.max_samples": 24,
}
NO_GUIDE = {"finetune.guide_temperature": 1e9}
"""Every factor to the power of almost 0: what a guided arm is when its guide says nothing."""
AGAIN = {"model.dim": 32, "model.depth": 2}
"""As the base run's, but pretrained again, as those that stand beside it."""
BLOCK = {"finetune.trained_part": "block", "finetune.genes_per_step": 0}


@dataclass(frozen=True)
class Choice:
    group: str
    name: str
    options: dict[str, Any]
    arms: tuple[str, ...] = ("guided",)

    @property
    def slug(self) -> str:
        return f"{self.group}-{self.name}".replace(" ", "_")

    @property
    def learned(self) -> str:
        """Names what is learned before fine-tuning: choices that agree in it share it."""
        told = {name: value for name, value in self.options.items() if not name.startswith("finetune.")}
        told = {"scouting.strategy": "within_study"} | told
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def choices() -> list[Choice]:
    scouts = {"no guide": NO_GUIDE} | {
        name: {"scouting.strategy": name}
        for name in (
            "cluster_pairs",
            "graded",
            "one_against_rest",
            "within_study",
            "labelled",
            "inside_study",
            "within_tissue",
            "gene_sets",
        )
    }
    forms = {
        "squared, per tensor": {},
        "no guide": NO_GUIDE,
        "absolute": {"scouting.measure": "absolute"},
        "signal to noise": {"scouting.measure": "signal_to_noise"},
        "model wide": {"scouting.scaling": "model_wide"},
        "temperature 4": {"finetune.guide_temperature": 4.0},
        "temperature .25": {"finetune.guide_temperature": 0.25},
        "towards the start": {"finetune.start_penalty": 1.0},
        "rate 1e-2": {"finetune.learning_rate": 1e-2},
        "rate 1e-2, no guide": {"finetune.learning_rate": 1e-2} | NO_GUIDE,
    }
    heads = {
        "readout, feedforward": {},
        "random initial head": {"finetune.initial_head": "random"},
        "not centred": {"finetune.cohort_centring": False},
        "one block": BLOCK,
        "both blocks": BLOCK | {"finetune.trained_blocks": 0},
        "gene_pool": {"finetune.head": "gene_pool"},
        "mean_pool": {"finetune.head": "mean_pool"},
        "attention_pool": {"finetune.head": "attention_pool"},
        "conv": BLOCK | {"finetune.head": "conv", "finetune.initial_head": "random"},
    }
    by_covariance = {"gene2vec.method": "covariance"}
    wide = {"model.heads": 4, "model.dim_head": 32, "model.n_features": 64} | by_covariance
    paper = {"model.heads": 10, "model.dim_head": 64, "model.n_features": 266} | by_covariance
    paper |= {"pretrain.learning_rate": 1e-3, "pretrain.max_steps": 120}
    sizes = {
        "dim 32, depth 2": AGAIN | by_covariance,
        "dim 128, depth 4": {"model.dim": 128, "model.depth": 4} | wide,
        "dim 200, depth 6": {"model.dim": 200, "model.depth": 6} | paper,
    }
    pretraining = {
        "bins, 15 %": AGAIN,
        "mask 40 %": {"pretrain.mask_share": 0.4},
        "thinning": {"pretrain.thinning": 0.5},
        "centred values": {"model.values": "interpolated", "gene2vec.method": "covariance"},
    }
    both = ("pretrained", "guided")
    return [
        *(Choice("scouts", name, options) for name, options in scouts.items()),
        *(Choice("forms", name, options) for name, options in forms.items()),
        *(Choice("heads", name, options, ("pretrained",)) for name, options in heads.items()),
        *(Choice("sizes", name, options, ("none", *both)) for name, options in sizes.items()),
        *(Choice("pretraining", name, options, both) for name, options in pretraining.items()),
    ]


@dataclass(frozen=True)
class Asked:
    compendium: Path
    runs: Path
    out: Path
    sets: Path | None
    symbols: Path | None
    n_draws: int
    device: str

    def config(self, choice: Choice) -> RunConfig:
        options = ALONE | {"scouting.strategy": "within_study"} | choice.options
        if options["scouting.strategy"] == "gene_sets":
            options |= {"scouting.sets": self.sets, "data.genes": self.symbols}
        return load_recipe(RECIPE, options)

    def run(self, choice: Choice, fold: str) -> RunLayout:
        return RunLayout(self.out / "runs" / choice.learned / fold)

    def table(self, choice: Choice, task: str) -> Path:
        return self.out / "scores" / choice.slug / f"{task}.csv"


def learn(asked: Asked, choice: Choice, fold: str) -> None:
    """What the arms start from: the base run's phases, or new ones where the choice is about them."""
    torch.set_num_threads(1)
    base, layout = RunLayout(asked.runs / fold), asked.run(choice, fold)
    if layout.marker("scout").exists():
        return
    config = asked.config(choice)
    own = config.model_copy(update={"data": load_recipe(base.recipe).data, "name": fold})
    again = any(name.startswith(("model.", "pretrain.", "gene2vec.")) for name in choice.options)
    layout.root.mkdir(parents=True, exist_ok=True)
    vectors = own.model.dim != load_recipe(base.recipe).model.dim or "gene2vec.method" in choice.options
    kept = [*(() if vectors else ("gene2vec",)), *(() if again else ("pretrain",))]
    for phase in ("ingest", "explore", "genes", *kept):
        if not layout.phase(phase).exists():
            layout.phase(phase).symlink_to(base.phase(phase).resolve())
    if again:
        ray = own.ray.model_copy(update={"num_cpus": 2, "use_gpu": asked.device == "cuda"})
        workers = own.pretrain.model_copy(update={"num_workers": 1, "batch_size": 8})
        own = own.model_copy(update={"ray": ray, "pretrain": workers})
        for phase in (*(("gene2vec",) if vectors else ()), "pretrain"):
            run_verb(phase, own, layout, lambda *told, **more: None)
    scout(layout, config, asked.device).save(layout.guide)
    layout.marker("scout").parent.mkdir(exist_ok=True)
    layout.marker("scout").write_text("{}")


def scout(layout: RunLayout, config: RunConfig, device: str) -> Guide:
    """As cluster.scouting, one after another in this process."""
    store = ShardStore.open(layout.shards)
    encoder, _ = load_encoder(layout.base_checkpoint, config.model, store.preprocessing, store.gene_set)
    start = {name: value.clone() for name, value in encoder.state_dict().items()}
    samples = scouted_samples(config, config.scouting, layout, store, with_clusters=True)
    rng = np.random.default_rng(config.scouting.seed)
    made = contrasts(samples, config.scouting, config.scouting.n_scouts, rng)
    movement = Movement("base", config.scouting.weighing)
    for scout_id, contrast in enumerate(item for item in made if isinstance(item, Contrast)):
        encoder.load_state_dict(start)
        head = seeded_classifier(encoder.gene_vectors_gd, config.scouting.head, config.scouting.head_seed)
        last: list[WeightDelta] = []
        run_episode(
            encoder,
            head,
            Scout("choices", scout_id, "base", contrast),
            lambda rows: stored_inputs(store, rows, encoder.config),
            config.scouting,
            lambda delta, state, last=last: last.append(delta),
            device=torch.device(device),
        )
        movement.add(last[-1], "")
    values = scaled(movement.measured(config.scouting.measure), config.scouting.scaling)
    return Guide(values, identity(config.model, store.preprocessing, store.gene_set))


@lru_cache(maxsize=2)
def _loaded(folder: Path, name: str) -> LoadedTask:
    compendium = Compendium([folder])
    tasks = with_families(read_tasks(folder / "tasks.csv"), compendium)
    return load_task(compendium, next(task for task in tasks if task.name == name))


def score(asked: Asked, choice: Choice, fold: str, task: str) -> None:
    """Every arm of a choice on a task's draws, one seed."""
    torch.set_num_threads(1)
    target = asked.table(choice, task)
    if target.exists():
        return
    loaded = _loaded(asked.compendium, task)
    layout, config, device = asked.run(choice, fold), asked.config(choice), torch.device(asked.device)
    tables = [
        score_encoder(layout, config, loaded, k, drawn, choice.arms, [0], device)
        for k in (1, 3, 6)
        if (drawn := draws(loaded, k, asked.n_draws))
    ]
    with publish_file(target) as temporary:
        pd.concat(tables, ignore_index=True).to_csv(temporary, index=False)


def run(asked: Asked, chosen: Sequence[Choice], without: set[str], processes: int, seconds: float) -> None:
    """Learn, then score, whatever is ready first; nothing begins after `seconds`."""
    begun = time.monotonic()
    compendium, folds = Compendium([asked.compendium]), Folds.load(asked.runs)
    tasks = with_families(read_tasks(asked.compendium / "tasks.csv"), compendium)
    of_fold: dict[str, list[str]] = {}
    for task in tasks:
        if task.name not in without:
            of_fold.setdefault(folds.fold_for(task).name, []).append(task.name)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting: dict[tuple[str, str], list[Choice]] = {}
        # Phase I first: it takes longest.
        for choice in sorted(chosen, key=lambda choice: choice.group not in ("sizes", "pretraining")):
            for fold, names in of_fold.items():
                if not all(asked.table(choice, name).exists() for name in names):
                    waiting.setdefault((choice.learned, fold), []).append(choice)
        learning = {pool.submit(learn, asked, group[0], key[1]): key for key, group in waiting.items()}
        scoring: dict[Future[None], str] = {}
        for done in as_completed(learning):
            done.result()
            key = learning[done]
            for choice, name in itertools.product(waiting[key], of_fold[key[1]]):
                if time.monotonic() - begun < seconds:
                    scoring[pool.submit(score, asked, choice, key[1], name)] = f"{choice.slug} {name}"
        for n, done in enumerate(as_completed(scoring), start=1):
            if not done.cancelled():
                done.result()
            if time.monotonic() - begun > seconds:
                for waiting in scoring:
                    waiting.cancel()
            if n % 20 == 0:
                print(f"{n} of {len(scoring)}: {time.monotonic() - begun:.0f} s", flush=True)


def told(asked: Asked, chosen: Sequence[Choice], n_tasks: int) -> Iterator[dict[str, Any]]:
    """A row a complete choice, arm and k, and printed as a line a choice and arm."""
    first: dict[str, pd.DataFrame] = {}
    for choice in chosen:
        files = sorted(asked.table(choice, "x").parent.glob("*.csv"))
        if len(files) < n_tasks:
            print(f"{choice.group:12s} {choice.name:36s} | {len(files)} of {n_tasks} tasks")
            continue
        results = pd.concat([pd.read_csv(file) for file in files])
        first.setdefault(choice.group, results)
        for arm in choice.arms:
            own = pd.concat(
                [
                    results[results["arm"] == arm].assign(arm="own", centred=True),
                    first[choice.group][lambda t, arm=arm: t["arm"] == arm].assign(arm="first", centred=True),
                ]
            )
            line = []
            for k in (1, 3, 6):
                scores = draw_scores(own, k)
                mean = macro(scores, ("own", True)).mean
                gain = difference(scores, ("own", True), ("first", True))
                line.append(f"{mean:.3f} {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]")
                yield {
                    "group": choice.group,
                    "choice": choice.name,
                    "arm": arm,
                    "k": k,
                    "auroc": round(mean, 4),
                    "gain": round(gain.mean, 4),
                    "interval": None if gain.families < 2 else [round(gain.low, 4), round(gain.high, 4)],
                }
            print(f"{choice.group:12s} {choice.name:36s} {arm:10s} | " + " | ".join(line))


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--compendium", type=Path, required=True, help="also the folder of tasks.csv")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--groups", default="scouts,forms,heads,sizes,pretraining")
    parser.add_argument("--without", default="", help="tasks that nobody looks at")
    parser.add_argument("--sets", type=Path, help="table of gene sets; without it that strategy is left out")
    parser.add_argument("--symbols", type=Path, help="columns ensembl, symbol: for the table of sets")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1e9, help="begin nothing after so long")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    begun = time.monotonic()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    paths = (given.compendium, given.runs, given.out, given.sets, given.symbols)
    asked = Asked(*(None if path is None else path.resolve() for path in paths), given.draws, device)
    groups, without = given.groups.split(","), set(filter(None, given.without.split(",")))
    chosen = [c for c in choices() if c.group in groups and (c.name != "gene_sets" or asked.sets is not None)]
    run(asked, chosen, without, given.processes, given.seconds)
    n_tasks = len([task for task in read_tasks(asked.compendium / "tasks.csv") if task.name not in without])
    rows = list(told(asked, chosen, n_tasks))
    seconds = round(time.monotonic() - begun)
    print(json.dumps({"seconds": seconds, "device": device, "draws": given.draws, "rows": rows}))


if __name__ == "__main__":
    main()
