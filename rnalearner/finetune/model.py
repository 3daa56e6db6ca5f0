"""What is fine-tuned: an encoder with a classifier on top.

Shapes: n samples, l positions, d width, f features of the head, c classes.
"""

import numpy as np
import torch
from torch import Tensor, nn

from rnalearner.config import FinetuneConfig
from rnalearner.finetune.readout import ReadoutFit
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.halves import feedforward_names, from_feedforward
from rnalearner.model.heads import SampleClassifier, feature_unit
from rnalearner.model.prefix import autocast


def trained_names(encoder: ExpressionEncoder, config: FinetuneConfig) -> set[str]:
    """The encoder's parameters that fine-tuning trains."""
    if config.trained_part == "feedforward":
        return feedforward_names(encoder)
    return set(encoder.trained_parameters(config.trained_blocks))


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
        self.attended = config.trained_part == "feedforward"
        """Whether samples come with the first trained block's attention behind them."""
        self.register_buffer("unit", torch.ones(()))
        self.register_buffer("training_mean_f", torch.zeros(head.n_features))
        trained = trained_names(encoder, config)
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_(name in trained)

    def raw_features(self, hidden_nld: Tensor, measured_nl: Tensor, genes: Tensor | None = None) -> Tensor:
        """The head's features n x f, each sample's by itself; of these `genes` alone where given."""
        if genes is not None:
            hidden_ngd = from_feedforward(self.encoder, hidden_nld[:, genes])
            return self.head.features_of_some(hidden_ngd, measured_nl[:, genes], genes)
        with autocast(hidden_nld.device):
            if self.attended:
                hidden_nld = from_feedforward(self.encoder, hidden_nld)
            else:
                hidden_nld = self.encoder.suffix(hidden_nld, measured_nl, self.first)
        return self.head.features(hidden_nld.float(), measured_nl)

    def features(self, hidden_nld: Tensor, measured_nl: Tensor, genes: Tensor | None = None) -> Tensor:
        """The head's features n x f; centred by the batch's own mean where cohorts are centred."""
        features_nf = self.raw_features(hidden_nld, measured_nl, genes)
        return features_nf - features_nf.mean(0) if self.centring else features_nf

    def forward(self, samples: tuple[Tensor, Tensor], genes: Tensor | None = None) -> Tensor:
        """Logits n x c of samples as FrozenPrefix gives them."""
        return self.logits(self.features(*samples, genes))

    def logits(self, features_nf: Tensor) -> Tensor:
        """Logits n x c of features, centred already where cohorts are."""
        return self.head.layers(features_nf / self.unit)

    @torch.no_grad()
    def calibrate(self, samples: tuple[Tensor, Tensor]) -> None:
        """Set the features' unit by the training samples, before training."""
        self.unit = feature_unit(self.features(*samples))

    @torch.no_grad()
    def start_readout(self, samples: tuple[Tensor, Tensor], inputs_ng: Tensor) -> None:
        """Read off each gene what tells its expression best in these samples; no label is looked at."""
        hidden_nld, measured_nl = samples
        if self.attended:
            hidden_nld = from_feedforward(self.encoder, hidden_nld)
        else:
            hidden_nld = self.encoder.suffix(hidden_nld, measured_nl, self.first)
        measured_g = measured_nl[:, :-1].all(0)
        fit = ReadoutFit(hidden_nld.shape[-1])
        fit.add(hidden_nld[:, :-1][:, measured_g], inputs_ng.to(hidden_nld.device)[:, measured_g])
        self.head.squeeze.weight.copy_(fit.direction()[None])

    @torch.no_grad()
    def start_head(
        self, samples: tuple[Tensor, Tensor], y_n: Tensor, penalty: float, skip_nc: Tensor | None = None
    ) -> None:
        """Let the head, a linear map, be the ridge regression of the classes on the features.

        Beside a skip it is given the skip's spread over the training samples: both have one voice.
        """
        linear: nn.Module = self.head.layers[0]
        assert isinstance(linear, nn.Linear)  # noqa: S101 - conv is refused by the recipe
        features_nf = self.features(*samples) / self.unit
        weight_cf, bias_c = ridge_map(features_nf, y_n, linear.out_features, penalty)
        if skip_nc is not None:
            own_nc = features_nf @ weight_cf.T
            voice = _spread(skip_nc) / _spread(own_nc).clamp_min(1e-12)
            weight_cf, bias_c = weight_cf * voice, bias_c * voice
        linear.weight.copy_(weight_cf)
        linear.bias.copy_(bias_c)

    @torch.no_grad()
    def remember(self, samples: tuple[Tensor, Tensor]) -> None:
        """Keep the training samples' mean feature, after training."""
        self.training_mean_f = self.raw_features(*samples).mean(0)


def _spread(logits_nc: Tensor) -> Tensor:
    """Root mean square about each class's mean."""
    return (logits_nc - logits_nc.mean(0)).square().mean().sqrt()


def ridge_map(features_nf: Tensor, y_n: Tensor, n_classes: int, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights c x f and biases c of the ridge regression of (class - share of the class) on the features.

    `penalty` is in units of the centred features' mean square, so that it means the same for features
    of any scale and number. Solved over n samples, not f features.
    """
    mean_f = features_nf.mean(0)
    centred_nf = (features_nf - mean_f).double()
    truth_nc = nn.functional.one_hot(y_n, n_classes).double()
    kernel_nn = centred_nf @ centred_nf.T
    typical = kernel_nn.diagonal().mean().clamp_min(1e-30)
    ridge_nn = kernel_nn + penalty * typical * torch.eye(len(y_n), dtype=torch.double, device=y_n.device)
    dual_nc = torch.linalg.solve(ridge_nn, truth_nc - truth_nc.mean(0))
    weight_cf = (dual_nc.T @ centred_nf).to(features_nf.dtype)
    return weight_cf, -(weight_cf @ mean_f)


def probabilities(logits_nc: Tensor) -> np.ndarray:
    """Probability of every class, float32 n x c; class 0 gets what the others leave."""
    p_nc = logits_nc.softmax(1).cpu().numpy()
    p_nc[:, 0] = np.clip(1 - p_nc[:, 1:].sum(1), 0, 1)
    return p_nc
