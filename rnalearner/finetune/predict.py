"""What a run's classifiers say of new samples, beside a linear rival.

Classifiers trained with cohort centring subtract the mean feature of the samples that they are asked
about together: one table is one cohort, so give a table a study. A cohort smaller than
`smallest_cohort` is centred by the training samples' mean instead; what sets the two studies apart then
stays in, and its samples are abstained from. A cohort of one class alone cannot be recognised: its
calls would be divided all the same. Shapes: s seeds, n samples, g genes, c classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import torch

from rnalearner.config import PredictConfig
from rnalearner.errors import GeneError, RecipeError
from rnalearner.finetune.abstain import reasons, smallest_cohort
from rnalearner.finetune.classifier import TRAINING, Classifier, Index, Training
from rnalearner.finetune.model import probabilities
from rnalearner.linear.arms import fit_predict
from rnalearner.model.prefix import FrozenPrefix
from rnalearner.preprocessing import pipeline
from rnalearner.preprocessing.normalize import log2p1_cpm

MIN_MATCHED = 0.5
"""Share of the model's genes that a table must have: below it, it is of another species or kind of id."""
RIVAL = "lr_l1_c10"
"""The strongest linear arm over the benchmark's tasks, fitted anew on the training samples."""
BATCH = 8

OnClassifier = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Answers:
    """`obs` has a row a sample; `values_ng` is log2(CPM + 1) of the model's `genes`, NaN: not measured."""

    obs: pd.DataFrame
    values_ng: np.ndarray
    genes: tuple[str, ...]
    info: dict[str, Any]


def answer(
    folder: Path,
    samples: anndata.AnnData,
    config: PredictConfig,
    on_classifier: OnClassifier,
    device: torch.device | None = None,
) -> Answers:
    """Ask the classifiers in `folder` about `samples` (as `read_counts` gives them).

    To the samples' own columns it adds `rnalearner_`: call, probability_<class> (mean over seeds),
    spread (standard deviation over seeds of the called class's probability), abstained, reason,
    coverage; <arm>_call and <arm>_probability_<class> of the other arms; the same of rival and
    rival_centred. A sample that expresses too few genes to have been trained on is not asked: it has
    no call and takes no part in the cohort's mean. Raises CheckpointError where there are no whole
    classifiers, RecipeError for an unknown task or arm, GeneError where too few genes are measured.
    """
    index = Index.load(folder)
    task, arm = _chosen(index, config)
    classes, genes, counts_ng = index.tasks[task], index.gene_set, index.gene_set.align(samples)
    coverage_n = (~np.isnan(counts_ng)).mean(1)
    if coverage_n.max() < MIN_MATCHED:
        what = f"measures {coverage_n.max():.0%} of the {len(genes)} genes that the classifiers know"
        raise GeneError("predict.table", what, "check species and gene ids, or fine-tune on genes it has")
    quality = _quality(samples.obs["n_expressed"], index.preprocessing.min_expressed_genes)
    asked_n = np.array([not fault for fault in quality])
    total_n = samples.obs["total"].to_numpy(float)
    tokens_mg = pipeline.tokens(counts_ng[asked_n], total_n[asked_n], index.preprocessing)

    said: dict[str, np.ndarray] = {}
    for number, name in enumerate(index.arms):
        p_smc = []
        for seed in range(index.seeds):
            place = number * index.seeds + seed
            on_classifier(place, len(index.arms) * index.seeds, f"{name}, seed {seed}")
            p_smc.append(ask(index.classifier(folder, task, name, seed), tokens_mg, device))
        said[name] = _among_all(np.stack(p_smc), asked_n)
    training = Training.load(folder / task / TRAINING, genes, classes)
    values_ng = log2p1_cpm(counts_ng, total_n)

    names = _in_columns(classes)
    told = reasons(said[arm], coverage_n, quality, index.finetune.cohort_centring, config)
    columns = _columns("", said[arm].mean(0), classes, names)
    columns["spread"] = _spread(said[arm])
    columns |= {"abstained": np.array([bool(why) for why in told]), "reason": told, "coverage": coverage_n}
    for name in index.arms:
        if name != arm:
            columns |= _columns(f"{name}_", said[name].mean(0), classes, names)
    for prefix, centred in (("rival_", False), ("rival_centred_", True)):
        p_nc = _among_all(_rival(training, values_ng[asked_n], len(classes), centred), asked_n)
        columns |= _columns(prefix, p_nc, classes, names)

    obs = samples.obs.loc[:, [not str(name).startswith("rnalearner_") for name in samples.obs]]
    added = pd.DataFrame({f"rnalearner_{name}": value for name, value in columns.items()}, index=obs.index)
    info = {
        "task": task,
        "arm": arm,
        "classes": list(classes),
        "seeds": index.seeds,
        "genes": genes.sha256,
        "cohort_centring": index.finetune.cohort_centring,
        "rival": RIVAL,
    }
    return Answers(pd.concat([obs, added], axis=1), values_ng, genes.ids, info)


@torch.no_grad()
def ask(classifier: Classifier, tokens_ng: np.ndarray, device: torch.device | None = None) -> np.ndarray:
    """Probability of every class, n x c, for samples of one cohort."""
    n_classes = len(classifier.meta["classes"])
    if not len(tokens_ng):
        return np.empty((0, n_classes), np.float32)
    model = classifier.model.to(device or torch.device("cpu"))
    samples = FrozenPrefix(model.encoder, torch.from_numpy(tokens_ng), model.first, cache_mb=0)
    batches = torch.arange(len(samples)).split(BATCH)
    features_nf = torch.cat([model.raw_features(*samples[rows]) for rows in batches])
    if model.centring:
        own = len(samples) >= smallest_cohort(n_classes)
        features_nf = features_nf - (features_nf.mean(0) if own else model.training_mean_f)
    return probabilities(model.logits(features_nf))


def _chosen(index: Index, config: PredictConfig) -> tuple[str, str]:
    """The task, and the arm that makes the call; raises RecipeError naming those that there are."""
    tasks = ", ".join(index.tasks)
    if config.task is None and len(index.tasks) > 1:
        raise RecipeError("predict.task", f"is not given, and the run has several: {tasks}", "choose one")
    task = next(iter(index.tasks)) if config.task is None else config.task
    if task not in index.tasks:
        raise RecipeError("predict.task", f"the run has no task {task!r}", f"choose among {tasks}")
    arm = config.arm or index.arms[-1]
    if arm not in index.arms:
        arms = ", ".join(index.arms)
        raise RecipeError("predict.arm", f"the run has no arm {arm!r}", f"choose among {arms}")
    return task, arm


def _quality(n_expressed: pd.Series, least: int) -> list[str]:
    """Why a sample cannot be asked: what training would have dropped; "" where it can."""
    least = max(1, least)
    return ["" if n >= least else f"expresses {n} genes, fewer than {least}" for n in n_expressed]


def _rival(training: Training, x_ng: np.ndarray, n_classes: int, centred: bool) -> np.ndarray:
    """The linear model's probabilities, n x c; NaN where the cohort is too small to centre, or empty."""
    if len(x_ng) < (smallest_cohort(n_classes) if centred else 1):
        return np.full((len(x_ng), n_classes), np.nan)
    _, p = fit_predict(RIVAL, training.log2_cpm_ng, training.y_n, x_ng, centred=centred)
    assert p is not None  # noqa: S101 - this arm has probabilities
    return np.stack([1 - p, p], axis=1) if p.ndim == 1 else p


def _among_all(p_mc: np.ndarray, asked_n: np.ndarray) -> np.ndarray:
    """... x m x c of the samples that were asked -> ... x n x c of all, NaN for the others."""
    p_nc = np.full((*p_mc.shape[:-2], len(asked_n), p_mc.shape[-1]), np.nan)
    p_nc[..., asked_n, :] = p_mc
    return p_nc


def _spread(p_snc: np.ndarray) -> np.ndarray:
    call_n = p_snc.mean(0).argmax(1)
    spread_n: np.ndarray = p_snc[:, np.arange(len(call_n)), call_n].std(0)
    return spread_n


def _columns(prefix: str, p_nc: np.ndarray, classes: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    """The call by its class's name ("" where nothing was said), and a probability a class."""
    calls = [classes[row.argmax()] if not np.isnan(row).any() else "" for row in p_nc]
    return {f"{prefix}call": calls} | {
        f"{prefix}probability_{name}": p_nc[:, number] for number, name in enumerate(names)
    }


def _in_columns(classes: Sequence[str]) -> list[str]:
    """Class names as parts of column names: no slash, which h5ad takes for a folder."""
    names = [name.replace("/", "_") for name in classes]
    return names if len(set(names)) == len(names) else [f"{n}_{c}" for c, n in enumerate(names)]
