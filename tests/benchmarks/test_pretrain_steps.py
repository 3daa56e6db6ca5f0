import os

import pytest
import torch

from benchmarks.pretrain_steps import PAPER, ExactAttention, attention, flops_a_sample
from rnalearner.model.favor.choice import VARIABLE


def test_a_sample_of_the_papers_size_costs_what_performance_md_says():
    assert flops_a_sample(PAPER, 15_117) == pytest.approx(0.82e12, rel=0.01)


def test_the_way_of_attention_is_asked_for_and_given_back(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, "plain")
    with attention("exact"):
        assert os.environ[VARIABLE] == "performer"
    assert os.environ[VARIABLE] == "plain"
    monkeypatch.delenv(VARIABLE)
    with attention("performer"):
        assert os.environ[VARIABLE] == "performer"
    assert VARIABLE not in os.environ


def test_exact_attention_takes_unmeasured_values_for_zero():
    q, k, v = torch.randn(3, 1, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    measured_nl = torch.tensor([[True, True, False, True, True]])
    changed = v.clone()
    changed[:, :, 2] = 0
    torch.testing.assert_close(ExactAttention()(q, k, v, measured_nl), ExactAttention()(q, k, changed))
