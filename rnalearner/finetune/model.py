"""What is fine-tuned: an encoder with a classifier on top.

Shapes: n samples, l positions, d width, f features of the head, c classes.
"""

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.config import FinetuneConfig
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import SampleClassifier, feature_unit
from rnalearner.model.prefix import autocast


class FewShotModel(nn.Module):
    """An encoder cut at its first trained block, with a classifier on top."""

    unit: Tensor
    """What features are divided by."""
    training_mean_f: Tensor
    """Mean feature of the training samples: stands in for the mean of a cohort too small to have one."""

    def __init__(self, encoder: ExpressionEncoder, head: SampleClassifier, config: FinetuneConfig) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        self.centring = config.cohort_centring
        self.first = encoder.first_trained_block(config.trained_blocks)
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("training_mean_f", torch.zeros(head.n_features))
        encoder.train_only(config.trained_blocks)

    def raw_features(self, hidden_nld: Tensor, measured_nl: Tensor) -> Tensor:
        """The head's features n x f, each sample's by itself."""
        with autocast(hidden_nld.device):
            hidden_nld = self.encoder.suffix(hidden_nld, measured_nl, self.first)
        return self.head.features(hidden_nld.float(), measured_nl)

    def features(self, hidden_nld: Tensor, measured_nl: Tensor) -> Tensor:
        """The head's features n x f; centred by the batch's own mean where cohorts are centred."""
        features_nf = self.raw_features(hidden_nld, measured_nl)
        return features_nf - features_nf.mean(0) if self.centring else features_nf

    def forward(self, samples: tuple[Tensor, Tensor]) -> Tensor:
        """Logits n x c of samples as FrozenPrefix gives them."""
        return self.logits(self.features(*samples))

    def logits(self, features_nf: Tensor) -> Tensor:
        """Logits n x c of features, centred already where cohorts are."""
        return self.head.layers(features_nf / self.unit)

    @torch.no_grad()
    def calibrate(self, samples: tuple[Tensor, Tensor]) -> None:
        """Set the features' unit by the training samples, before training."""
        self.unit = feature_unit(self.features(*samples))

    @torch.no_grad()
    def remember(self, samples: tuple[Tensor, Tensor]) -> None:
        """Keep the training samples' mean feature, after training."""
        self.training_mean_f = self.raw_features(*samples).mean(0)


def probabilities(logits_nc: Tensor) -> np.ndarray:
    """Probability of every class, float32 n x c; class 0 gets what the others leave."""
    p_nc = logits_nc.softmax(1).cpu().numpy()
    p_nc[:, 0] = np.clip(1 - p_nc[:, 1:].sum(1), 0, 1)
    return p_nc
