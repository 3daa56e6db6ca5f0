"""Fine-tuning on a GPU: nothing is left behind on the other device, and it learns what it learns on a CPU."""

from collections.abc import Callable

import pytest
import torch

from rnalearner.config import FinetuneConfig
from rnalearner.finetune.train import LabelledTokens, finetune
from rnalearner.model.encoder import ExpressionEncoder

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]


@pytest.mark.parametrize(
    "fields",
    [
        {"head": "gene_pool"},
        {"head": "gene_readout", "initial_head": "ridge", "trained_part": "feedforward", "genes_per_step": 6},
        {"head": "attention_pool", "trained_part": "feedforward", "start_penalty": 0.1},
    ],
)
def test_it_tells_the_groups_apart_there_too(
    make_encoder: Callable[[], ExpressionEncoder], data: dict[str, LabelledTokens], fields: dict[str, object]
):
    config = FinetuneConfig.model_validate(
        {"epochs": 20, "learning_rate": 0.01, "restart_epochs": 20, "evaluate_every": 5} | fields
    )
    device = torch.device("cuda")
    result = finetune(make_encoder().to(device), data, config, seed=0, device=device)
    calls_m = result.probability["test"].argmax(1)
    assert (calls_m == data["test"].y_n.numpy()).mean() > 0.9
