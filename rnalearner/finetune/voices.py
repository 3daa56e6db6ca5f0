"""What each classifier of a run says of new samples, before anybody judges it.

Shapes: s seeds, m samples that can be asked, n samples, g genes, c classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from rnalearner.finetune.classifier import Classifier
from rnalearner.finetune.classifiers import Classifiers
from rnalearner.finetune.model import probabilities
from rnalearner.finetune.question import Question
from rnalearner.linear.ask import ask as ask_linear
from rnalearner.linear.ask import measured_weight
from rnalearner.linear.expression import smallest_cohort
from rnalearner.model.inputs import cohort_inputs
from rnalearner.model.prefix import FrozenPrefix

LINEAR = "linear"
"""What the linear classifier is called among the encoder's arms."""
BATCH = 8

OnClassifier = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class Voices:
    """All that was said, by arm."""

    said: dict[str, np.ndarray]
    """Probability of every class, s x n x c; NaN for samples that cannot be asked."""
    weight_n: np.ndarray | None
    """Share of the linear classifier's weight that lies on genes measured in each sample."""


def hear(
    known: Classifiers,
    task: str,
    asked: Question,
    values_ng: np.ndarray,
    on_classifier: OnClassifier,
    device: torch.device | None = None,
) -> Voices:
    """Ask every classifier of the task; `values_ng` is log2(CPM + 1) of the samples.

    Raises CheckpointError where one is missing or damaged.
    """
    asked_n, methods, encoders = asked.asked_n, known.methods(task), known.encoders
    said: dict[str, np.ndarray] = {}
    weight_n = None
    n_encoders = len(encoders.arms) * encoders.seeds if encoders and "encoder" in methods else 0
    total = n_encoders + ("linear" in methods)
    if known.linear is not None and "linear" in methods:
        on_classifier(0, total, LINEAR)
        model = known.linear.classifier(known.layout.linear_classifiers, task).model
        x_mg = values_ng[asked_n]
        said[LINEAR] = among_all(ask_linear(model, x_mg, known.gene_set, x_mg)[None], asked_n)
        weight_n = measured_weight(model, values_ng, known.gene_set)
    if encoders is not None and n_encoders:
        cohort = asked.counts_ng[asked_n], asked.total_n[asked_n], encoders.preprocessing
        place = total - n_encoders
        for arm in encoders.arms:
            p_smc = []
            for seed in range(encoders.seeds):
                on_classifier(place, total, f"{arm}, seed {seed}")
                classifier = encoders.classifier(known.layout.classifiers, task, arm, seed)
                inputs_mg = cohort_inputs(*cohort, classifier.model.encoder.config)
                p_smc.append(ask(classifier, inputs_mg, device))
                place += 1
            said[arm] = among_all(np.stack(p_smc), asked_n)
    return Voices(said, weight_n)


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


def among_all(p_mc: np.ndarray, asked_n: np.ndarray) -> np.ndarray:
    """... x m x c of the samples that were asked -> ... x n x c of all, NaN for the others."""
    p_nc = np.full((*p_mc.shape[:-2], len(asked_n), p_mc.shape[-1]), np.nan)
    p_nc[..., asked_n, :] = p_mc
    return p_nc
