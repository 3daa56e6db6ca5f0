"""The guided linear learner on one few-shot task: what it learned, says, and rests on.

Shapes: n samples, g genes of the run, c classes.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from rnalearner.config import LinearConfig
from rnalearner.finetune.fewshot import FewShotTask
from rnalearner.finetune.held_out import held_out, held_out_rows, held_out_scores, turns_of
from rnalearner.finetune.scored import Row, prediction_rows, scores_row
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.linear.ask import ask, measured_weight
from rnalearner.linear.explained import used_genes
from rnalearner.linear.guided import fit_guided
from rnalearner.linear.rivals import HELD_OUT, score_in_turn, score_rivals
from rnalearner.linear.stored import StoredLinear, Training
from rnalearner.linear.turns import Turn
from rnalearner.preprocessing.normalize import log2p1_cpm
from rnalearner.shards.read import ShardStore

ARM = "linear"


@dataclass(frozen=True, eq=False)
class LinearResult:
    """One task's classifier, with its rows of runs, predictions and genes."""

    stored: StoredLinear
    training: Training
    run: Row
    predictions: list[Row]
    """Those of a sample's split, with `coverage`, the share of the run's genes that it measures, and
    `weight_measured`, the share of the weight that lies on them."""
    genes: pd.DataFrame
    turns: Sequence[Turn]
    """In which the training samples were held out; none where there is a test."""


def learn_linear(
    store: ShardStore,
    task: FewShotTask,
    guide: GeneGuide | None,
    config: LinearConfig,
    *,
    symbols: Mapping[str, str] | None = None,
) -> LinearResult:
    """Learn from the training samples, with their whole study as the cohort; score every split.

    Without a test the training samples are held out in turn. Where that cannot be, the run's row says why
    in `no_estimate`. Raises CountsError where no gene is measured throughout the training study.
    """
    begun = time.monotonic()
    gene_set, train = store.gene_set, task.train
    cohort_mg = expression(store, study_rows(store, train.study))
    training = Training(expression(store, train.rows), train.y_n)
    fit = partial(fit_guided, genes=gene_set.ids, cohort_mg=cohort_mg, guide=guide, config=config)
    model = fit(training.log2_cpm_ng, train.y_n)
    seconds = time.monotonic() - begun
    samples = {split: expression(store, dataset.rows) for split, dataset in task.datasets()}
    probability = {
        split: ask(model, samples[split], gene_set, expression(store, study_rows(store, dataset.study)))
        for split, dataset in task.datasets()
    }
    weight = {split: measured_weight(model, x_ng, gene_set) for split, x_ng in samples.items()}
    rows = list(prediction_rows(task, probability))
    found, why = turns_of(task, config.seed, () if guide is None else guide.meta["studies"])
    turned = None
    if found:
        turned = held_out(fit, training.log2_cpm_ng, train.y_n, found, gene_set, cohort_mg)
        samples[HELD_OUT], weight[HELD_OUT] = training.log2_cpm_ng, turned.weight_n
        rows += held_out_rows(task, turned.probability_nc)
    classes = task.config.class_names
    meta = {
        "gene_set": gene_set.sha256,
        "classes": list(classes),
        "train": {"study": train.study, "samples": list(train.samples), "cohort": len(cohort_mg)},
        "linear": config.model_dump(mode="json"),
        "guide": None if guide is None else dict(guide.meta),
    }
    columns = [gene_set.index[gene] for gene in model.genes]
    genes = used_genes(model, training.log2_cpm_ng[:, columns], train.y_n, classes, symbols)
    named = {"task": task.config.name, "arm": ARM, "seed": 0}
    run = named | {
        "guided": guide is not None,
        "samples_a_class": int(np.bincount(train.y_n).min()),
        "genes_used": int(genes["gene"].nunique()),
        "genes_known_to_guide": int((~np.isnan(model.guide_g)).sum()),
        **scores_row(task, probability),
        **held_out_scores(task, None if turned is None else turned.probability_nc),
        "no_estimate": why,
        "seconds": round(seconds, 3),
    }
    coverage_n = np.concatenate([(~np.isnan(x_ng)).mean(1) for x_ng in samples.values()])
    measured = zip(coverage_n, np.concatenate(list(weight.values())), strict=True)
    predictions = [
        named | row | {"coverage": float(coverage), "weight_measured": float(of_weight)}
        for row, (coverage, of_weight) in zip(rows, measured, strict=True)
    ]
    genes.insert(0, "task", task.config.name)
    return LinearResult(StoredLinear(model, meta), training, run, predictions, genes, found)


def rivals_of(
    store: ShardStore, task: FewShotTask, found: Sequence[Turn] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The linear rivals on the same samples and cohorts: tables of scores and of predictions.

    Without a test they are scored on the training samples, held out in the turns of `found`.
    Raises ValueError for a task that has neither.
    """
    train, test = task.train, task.test
    x_ng = expression(store, train.rows)
    cohort_mg = expression(store, study_rows(store, train.study))
    if test is not None:
        return score_rivals(
            task.config.name,
            x_ng,
            train.y_n,
            expression(store, test.rows),
            test.y_n,
            pd.DataFrame({"sample": test.samples, "subject": test.subjects, "unseen_subject": task.unseen_n}),
            train_cohort_ng=cohort_mg,
            test_cohort_mg=expression(store, study_rows(store, test.study)),
        )
    if not found:
        raise ValueError(f"task {task.config.name} has no test, and nothing is held out")
    samples = pd.DataFrame({"sample": train.samples, "subject": train.subjects, "unseen_subject": True})
    return score_in_turn(task.config.name, x_ng, train.y_n, samples, found, cohort_mg)


def study_rows(store: ShardStore, study: str) -> np.ndarray:
    """Rows of a whole study: those of other groups, and without a label, are part of its cohort."""
    return np.flatnonzero(store.obs["study"] == study)


def expression(store: ShardStore, rows: np.ndarray) -> np.ndarray:
    """log2(CPM + 1), n x g, NaN where a gene was not measured; whatever the model's scale."""
    return log2p1_cpm(*store.counts(rows))
