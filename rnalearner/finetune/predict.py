"""What a run's classifiers say of new samples, beside a linear rival.

Classifiers trained with cohort centring subtract the mean of the samples that they are asked about
together: one table is one cohort, so give a table a study. A cohort smaller than `smallest_cohort` is
centred by the training study's mean instead; what sets the two studies apart then stays in, and its
samples are abstained from. A cohort of one class alone cannot be recognised: its calls would be
divided all the same. Shapes: s seeds, n samples, g genes, c classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anndata
import numpy as np
import pandas as pd
import torch

from rnalearner.config import PredictConfig
from rnalearner.finetune.abstain import reasons
from rnalearner.finetune.classifiers import Classifiers
from rnalearner.finetune.method import chosen_arm, chosen_method, chosen_task
from rnalearner.finetune.question import question
from rnalearner.finetune.voices import LINEAR, OnClassifier, among_all, hear
from rnalearner.layout import RunLayout
from rnalearner.linear.arms import fit_predict
from rnalearner.linear.expression import smallest_cohort
from rnalearner.linear.stored import Training
from rnalearner.preprocessing.normalize import log2p1_cpm

RIVAL = "lr_l1_c10"
"""The strongest linear arm over the benchmark's tasks, fitted anew on the training samples."""


@dataclass(frozen=True, eq=False)
class Answers:
    """`obs` has a row a sample; `values_ng` is log2(CPM + 1) of the model's `genes`, NaN: not measured."""

    obs: pd.DataFrame
    values_ng: np.ndarray
    genes: tuple[str, ...]
    info: dict[str, Any]


def answer(
    run: RunLayout,
    samples: anndata.AnnData,
    config: PredictConfig,
    on_classifier: OnClassifier,
    device: torch.device | None = None,
) -> Answers:
    """Ask the classifiers of `run` about `samples` (as `read_counts` gives them).

    To the samples' own columns it adds `rnalearner_`: call, probability_<class> (an encoder's: mean over
    seeds), spread (standard deviation over seeds of the called class's probability), abstained, reason,
    coverage; <arm>_call and <arm>_probability_<class> of the other classifiers, the linear one being the
    arm `linear`; the same of rival and rival_centred. A sample that expresses too few genes to have been
    trained on is not asked: it has no call and takes no part in the cohort's mean. Raises
    CheckpointError where there are no whole classifiers, RecipeError for a task, method or arm that there
    is not, GeneError where too few genes are measured.
    """
    known = Classifiers.of(run)
    task = chosen_task(config.task, list(known.tasks))
    classes, genes, training = known.tasks[task], known.gene_set, known.training(task)
    method = chosen_method(config, known.methods(task), int(np.bincount(training.y_n).min()))
    arm = chosen_arm(config, known.encoders.arms) if method == "encoder" and known.encoders else LINEAR
    asked = question(samples, genes, known.preprocessing.min_expressed_genes)
    values_ng, asked_n = log2p1_cpm(asked.counts_ng, asked.total_n), asked.asked_n

    heard = hear(known, task, asked, values_ng, on_classifier, device)
    said, centring = heard.said, known.centring(method)
    weight_n = heard.weight_n if method == "linear" else None
    told = reasons(said[arm], asked.coverage_n, asked.quality, centring, config, weight_n)
    names = _in_columns(classes)
    columns = _columns("", said[arm].mean(0), classes, names)
    columns["spread"] = _spread(said[arm])
    columns |= {"abstained": np.array([bool(why) for why in told]), "reason": told}
    columns["coverage"] = asked.coverage_n
    for name, p_snc in said.items():
        if name != arm:
            columns |= _columns(f"{name}_", p_snc.mean(0), classes, names)
    for prefix, centred in (("rival_", False), ("rival_centred_", True)):
        p_nc = among_all(_rival(training, values_ng[asked_n], len(classes), centred), asked_n)
        columns |= _columns(prefix, p_nc, classes, names)

    obs = samples.obs.loc[:, [not str(name).startswith("rnalearner_") for name in samples.obs]]
    added = pd.DataFrame({f"rnalearner_{name}": value for name, value in columns.items()}, index=obs.index)
    info = {
        "task": task,
        "method": method,
        "arm": arm,
        "classes": list(classes),
        "seeds": len(said[arm]),
        "genes": genes.sha256,
        "cohort_centring": centring,
        "calibrated": method == "linear",
        "rival": RIVAL,
    }
    return Answers(pd.concat([obs, added], axis=1), values_ng, genes.ids, info)


def _rival(training: Training, x_ng: np.ndarray, n_classes: int, centred: bool) -> np.ndarray:
    """The linear model's probabilities, n x c; NaN where the cohort is too small to centre, or empty."""
    if len(x_ng) < (smallest_cohort(n_classes) if centred else 1):
        return np.full((len(x_ng), n_classes), np.nan)
    _, p = fit_predict(RIVAL, training.log2_cpm_ng, training.y_n, x_ng, centred=centred)
    assert p is not None  # noqa: S101 - this arm has probabilities
    return np.stack([1 - p, p], axis=1) if p.ndim == 1 else p


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
