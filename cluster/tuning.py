"""Ray Tune over fine-tuning settings: trials in flight, their journal, the activations that they share."""

import logging
import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray import tune

from cluster.resources import finetune_resources, tune_resources, use_gpu
from cluster.trial_search import JournaledSearch, SparingAsha, search_space
from rnalearner.config import FinetuneConfig, RunConfig
from rnalearner.errors import ClusterError, RecipeError, RnalearnerError
from rnalearner.finetune.arms import arm_encoder
from rnalearner.finetune.objective import Learner, Question, judge, rungs
from rnalearner.finetune.trials import TrialJournal
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.model.activations import store_activations
from rnalearner.model.build import identity
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.inputs import stored_inputs
from rnalearner.shards.read import ShardStore

MAX_FAILURES = 2
"""Times that a trial whose worker died begins again before it counts as failed."""

# Read when trials start. No files of metrics a trial and no box on the screen: there is the journal.
# Ctrl-C is the command's own.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the new one writes a box even with verbose=0
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")

OnTrial = Callable[[TrialJournal], None]


@dataclass(frozen=True)
class _Job:
    """What every trial is told."""

    layout: RunLayout
    config: RunConfig
    question: Question
    arm: str
    threads: int
    on_gpu: bool

    def load(self) -> tuple[torch.Tensor, list[Learner], Guide | None]:
        """Tokens of the question's samples, an encoder a seed on its device, and the arm's guide."""
        torch.set_num_threads(self.threads)
        store = ShardStore.open(self.layout.shards)
        tokens_ng = torch.from_numpy(stored_inputs(store, self.question.rows_n, self.config.model))
        device = torch.device("cuda" if self.on_gpu else "cpu")
        learners = []
        for i in range(self.config.tune.seeds):
            seed = self.config.finetune.seed + i
            encoder = arm_encoder(self.layout, self.config, store, self.arm, seed)
            learners.append(Learner(seed, encoder.to(device)))
        own = identity(self.config.model, store.preprocessing, store.gene_set)
        return tokens_ng, learners, Guide.load(self.layout.guide, own) if self.arm == "guided" else None


def run_tuning(
    layout: RunLayout, config: RunConfig, question: Question, arm: str, on_trial: OnTrial
) -> TrialJournal:
    """Run what is left of `tune.num_samples` trials inside an open Ray session.

    Trials that ended before an interruption stand in the journal and do not run again. `on_trial`
    hears of the journal at the start and whenever a trial has ended. Raises RecipeError where no
    number of trained blocks fits model and guide, ClusterError where no trial came to its end.
    """
    layout = RunLayout(layout.root.resolve())
    in_flight = min(config.tune.in_flight, config.tune.num_samples)
    resources = finetune_resources(config.ray, in_flight)
    threads = max(1, int(resources["num_cpus"]))
    job = _Job(layout, config, question, arm, threads, use_gpu(config.ray))
    _, learners, guide = _Job(layout, config, question, arm, threads, on_gpu=False).load()
    blocks = fitting_blocks(config, learners[0].encoder, guide)
    journal = TrialJournal(layout.trial_journal)
    on_trial(journal)
    left = config.tune.num_samples - len(journal.ended)
    if left > 0:
        own = config.finetune
        cuts = {learners[0].encoder.first_trained_block(n) for n in (*blocks, own.trained_blocks)}
        _own_error(ray.remote(max_retries=2, **resources)(_share).remote(job, sorted(cuts, reverse=True)))
        space = search_space(config.tune, blocks, guided=arm == "guided")
        search = JournaledSearch(
            space,
            journal,
            {name: getattr(own, name) for name in space},
            config.tune.seed,
            lambda: on_trial(journal),
        )
        scheduler = SparingAsha(config.tune, max(config.tune.epochs[1], own.epochs), journal)
        _fit(job, left, search, scheduler, tune_resources(config.ray, in_flight), in_flight)
    if journal.best is None:
        raise ClusterError("tune", "no trial came to its end", "see the logs of Ray, and run it again")
    return journal


def fitting_blocks(config: RunConfig, encoder: ExpressionEncoder, guide: Guide | None) -> list[int]:
    """The choices of `tune.trained_blocks` that the model has, and its guide knows.

    Raises RecipeError where none is left, or where the recipe's own number does not fit.
    """
    own, choices = config.finetune.trained_blocks, config.tune.trained_blocks

    def fits(blocks: int) -> bool:
        known = guide is None or encoder.trained_parameters(blocks).keys() <= guide.values.keys()
        return 0 <= blocks <= encoder.config.depth and known

    for name, numbers in (("tune.trained_blocks", choices), ("finetune.trained_blocks", (own,))):
        if not any(map(fits, numbers)):
            what = f"of {', '.join(map(str, numbers))} none fits a model of {encoder.config.depth} blocks"
            knows = " and its guide" if guide is not None else ""
            raise RecipeError(name, what + knows, "name a number from 1 to scouting.trained_blocks")
    return [blocks for blocks in dict.fromkeys(choices) if fits(blocks)]


def _fit(
    job: _Job,
    left: int,
    search: JournaledSearch,
    scheduler: SparingAsha,
    resources: dict[str, float],
    in_flight: int,
) -> None:
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    shutil.rmtree(job.layout.ray_tune, ignore_errors=True)  # of an interrupted attempt: all is in the journal
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(_trial, job=job), resources),
        tune_config=tune.TuneConfig(
            search_alg=search,
            scheduler=scheduler,
            num_samples=left,
            max_concurrent_trials=in_flight,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(job.layout.ray_tune),
            failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
            verbose=0,
        ),
    )
    tuner.fit()


def _trial(settings: dict[str, Any], job: _Job) -> None:
    """What a trial's worker runs: it tells a score after each rung."""
    chosen = {name: value for name, value in settings.items() if name != "trial"}
    config: FinetuneConfig = job.config.finetune.model_copy(update=chosen)
    at_epochs = rungs(config.epochs, job.config.tune.grace_epochs, job.config.tune.reduction_factor)
    tokens_ng, learners, guide = job.load()
    scores = judge(job.question, tokens_ng, learners, config, at_epochs, guide, job.layout.activations)
    for epoch, loss, accuracy in scores:
        tune.report({"epoch": epoch, "loss": loss, "accuracy": accuracy})


def _share(job: _Job, cuts: Collection[int]) -> None:
    """Store the frozen activations that trials will ask for; random encoders differ from seed to seed."""
    tokens_ng, learners, _ = job.load()
    for learner in learners:
        limit_mb = job.config.tune.activations_mb
        store_activations(job.layout.activations, learner.encoder, tokens_ng, list(cuts), limit_mb)


def _own_error(ref: "ray.ObjectRef") -> None:
    try:
        ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RnalearnerError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise ClusterError("tune", f"a worker was lost ({error})", "run `rnalearner tune` again") from error
