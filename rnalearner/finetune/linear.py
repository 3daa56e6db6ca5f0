"""The guided linear learner on one few-shot task: what it learned, says, and rests on.

Shapes: n samples, g genes of the run, c classes.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnalearner.config import LinearConfig
from rnalearner.finetune.fewshot import FewShotTask
from rnalearner.finetune.scored import Row, prediction_rows, scores_row
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.linear.ask import ask
from rnalearner.linear.explained import used_genes
from rnalearner.linear.guided import fit_guided
from rnalearner.linear.rivals import score_rivals
from rnalearner.linear.stored import StoredLinear, Training
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
    genes: pd.DataFrame


def learn_linear(
    store: ShardStore,
    task: FewShotTask,
    guide: GeneGuide | None,
    config: LinearConfig,
    *,
    symbols: Mapping[str, str] | None = None,
) -> LinearResult:
    """Learn from the training samples, with their whole study as the cohort; score every split.

    Raises CountsError where no gene is measured throughout the training study.
    """
    begun = time.monotonic()
    gene_set, train = store.gene_set, task.train
    cohort_mg = expression(store, study_rows(store, train.study))
    training = Training(expression(store, train.rows), train.y_n)
    model = fit_guided(
        training.log2_cpm_ng,
        train.y_n,
        genes=gene_set.ids,
        cohort_mg=cohort_mg,
        guide=guide,
        config=config,
    )
    seconds = time.monotonic() - begun
    probability = {
        split: ask(
            model,
            expression(store, dataset.rows),
            gene_set,
            expression(store, study_rows(store, dataset.study)),
        )
        for split, dataset in task.datasets()
    }
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
        "seconds": round(seconds, 3),
    }
    predictions = [named | row for row in prediction_rows(task, probability)]
    genes.insert(0, "task", task.config.name)
    return LinearResult(StoredLinear(model, meta), training, run, predictions, genes)


def rivals_of(store: ShardStore, task: FewShotTask) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The linear rivals on the same samples and cohorts: tables of scores and of predictions.

    Raises ValueError for a task without a test.
    """
    test = task.test
    if test is None:
        raise ValueError(f"task {task.config.name} has no test")
    samples = pd.DataFrame(
        {"sample": test.samples, "subject": test.subjects, "unseen_subject": task.unseen_n}
    )
    return score_rivals(
        task.config.name,
        expression(store, task.train.rows),
        task.train.y_n,
        expression(store, test.rows),
        test.y_n,
        samples,
        train_cohort_ng=expression(store, study_rows(store, task.train.study)),
        test_cohort_mg=expression(store, study_rows(store, test.study)),
    )


def study_rows(store: ShardStore, study: str) -> np.ndarray:
    """Rows of a whole study: those of other groups, and without a label, are part of its cohort."""
    return np.flatnonzero(store.obs["study"] == study)


def expression(store: ShardStore, rows: np.ndarray) -> np.ndarray:
    """log2(CPM + 1), n x g, NaN where a gene was not measured; whatever the model's scale."""
    return log2p1_cpm(*store.counts(rows))
