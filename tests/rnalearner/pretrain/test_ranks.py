"""Two workers, each a process, that sum gradients by gloo (rank_of_two.py says what they do)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from rnalearner.pretrain.ranks import gradients_summed
from tests.toy_corpus import write_toy_corpus


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that they leave."""
    folder = tmp_path_factory.mktemp("two")
    write_toy_corpus(folder / "shards")
    command = [sys.executable, "-m", "tests.rnalearner.pretrain.rank_of_two"]
    root = Path(__file__).resolve().parents[3]
    workers = [subprocess.Popen([*command, str(rank), str(folder)], cwd=root) for rank in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    return folder


def states(folder: Path, name: str) -> list[dict[str, Tensor]]:
    return [load_file(folder / f"{name}-{rank}.safetensors") for rank in range(2)]


def told(folder: Path, rank: int = 0) -> dict[str, Any]:
    return json.loads((folder / f"told-{rank}.json").read_text())


def differing(a: dict[str, Tensor], b: dict[str, Tensor]) -> list[str]:
    return [name for name in a if not torch.equal(a[name], b[name])]


def test_two_workers_take_the_very_steps_that_one_takes_with_the_batches_of_both(two: Path):
    apart, together = states(two, "stepped"), states(two, "alone")
    assert differing(apart[0], together[0]) == []
    assert differing(apart[1], together[0]) == []


def test_the_loop_leaves_both_workers_with_the_same_weights_and_redrawn_projections(two: Path):
    looped = states(two, "looped")
    assert differing(*looped) == []
    assert {name for name in differing(looped[0], states(two, "stepped")[0]) if "projection" in name}


def test_a_step_sends_its_score_and_every_gradient_once_in_a_few_messages(two: Path):
    score, *gradients = told(two)["plain"][0]
    assert score == 3
    assert sum(gradients) == told(two)["parameters"]
    assert 2 < len(gradients) < 20


def test_accumulation_sends_no_more_than_a_step_of_one_batch(two: Path):
    assert told(two)["accumulated"] == told(two)["plain"]
    assert told(two)["plain"] == [told(two)["plain"][0]] * 3
    assert told(two, rank=1)["accumulated"] == told(two)["accumulated"]


def test_first_gradients_travel_while_the_last_are_still_to_be_made(two: Path):
    assert 2 < told(two)["sent_before_the_embedding"] < len(told(two)["plain"][0])


def test_sums_are_those_worked_out_by_hand_and_an_unused_parameter_stays_without(two: Path):
    by_hand = told(two)["by_hand"]
    assert by_hand == told(two, rank=1)["by_hand"]
    assert by_hand["score_3"] == [1.0, 2.0, 5.0]
    assert by_hand["messages"] == [3, 1, 200, 3]
    summed = 1 + 10 + 1 + 20  # of both workers: the earlier pass and the last
    assert by_hand["gradients"] == {
        "first": [summed] * 3,
        "unused": None,
        "large": [summed] * 200,
        "last": [summed],
    }


def test_without_other_workers_gradients_stay_as_they_are():
    parameter, score_3 = torch.nn.Parameter(torch.ones(3)), torch.ones(3, dtype=torch.float64)
    with gradients_summed([parameter], score_3):
        parameter.sum().backward()
    assert torch.equal(parameter.grad, torch.ones(3))
    assert torch.equal(score_3, torch.ones(3, dtype=torch.float64))
