"""Where a scout stands between two rounds: all that another process needs."""

from functools import partial

import numpy as np
import pytest
import torch

from rnalearner.errors import CheckpointError
from rnalearner.packed import pack
from rnalearner.scouts.delta import EpisodeResult
from rnalearner.scouts.state import EpisodeState, optimiser_tensors, restore_optimiser
from tests.toy_episode import CONFIG, changed, toy_episode

RESULT = EpisodeResult(3, "one against another", 32, 8, 2.5, 10, 1.0, 1e-5, True, 0.1)


@pytest.fixture
def episode(make_encoder, tokens_ng, contrast):
    tokens_ng = tokens_ng.copy()
    tokens_ng[[3, 7, 30], 8] = make_encoder().pad_token
    return partial(toy_episode, make_encoder=make_encoder, tokens_ng=tokens_ng, contrast=contrast)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(changed(max_epochs=5, converged_accuracy=1), id="rounds that are epochs"),
        pytest.param(changed(max_epochs=3, round_samples=16, batch_size=4), id="rounds within epochs"),
        pytest.param(changed(max_epochs=2, batch_size=3, validation_share=0.15), id="a batch of one"),
        pytest.param(changed(max_epochs=3, trained_blocks=0), id="all trains"),
        pytest.param(changed(max_epochs=3, head="conv"), id="the head conv"),
        pytest.param(CONFIG, id="until it converges"),
    ],
)
def test_from_the_state_after_any_round_it_goes_on_to_the_same_bits(episode, config):
    whole = episode(config)
    states = [state.to_bytes() for state in whole.states]
    assert [state.seq for state in whole.states] == [delta.seq for delta in whole.deltas]
    for done, data in enumerate(states, 1):
        rest = episode(config, resume=EpisodeState.from_bytes(data))
        assert rest.result == whole.result
        assert rest.sent() == whole.sent()[done:]
        assert [state.to_bytes() for state in rest.states] == states[done:]


def test_a_scout_that_has_ended_is_not_asked_again(episode):
    whole = episode(changed(max_epochs=2))
    again = episode(changed(max_epochs=2), resume=whole.states[-1])
    assert again.result == whole.result
    assert again.deltas == again.progress == []


def test_a_state_is_of_its_round_however_long_it_is_kept(episode):
    sent: list[bytes] = []
    whole = episode(changed(max_epochs=4))
    for rounds in range(1, 4):
        sent.append(episode(changed(max_epochs=rounds)).states[-1].to_bytes())
    for kept, state in zip(sent, whole.states, strict=False):
        early = EpisodeState.from_bytes(kept)
        assert all(torch.equal(early.tensors[name], value) for name, value in state.tensors.items())


@pytest.mark.parametrize("result", [None, RESULT], ids=["underway", "ended"])
def test_a_state_comes_back_from_its_bytes(result):
    tensors = {"weight/w": torch.tensor([1.5, -0.25]), "step/w": torch.tensor(3.0)}
    state = EpisodeState(2, 8, 0.1 + 0.2, tensors, result)
    found = EpisodeState.from_bytes(state.to_bytes())
    assert (found.seq, found.step, found.lowest, found.result) == (2, 8, 0.1 + 0.2, result)
    assert found.tensors.keys() == tensors.keys()
    for name, value in tensors.items():
        assert torch.equal(found.tensors[name], value)
        assert found.tensors[name].shape == value.shape
    assert found.to_bytes() == state.to_bytes()


def test_equal_states_give_equal_bytes_in_any_order():
    tensors = {"weight/w": torch.ones(2), "step/w": torch.tensor(3.0), "features/unit": torch.tensor(0.5)}
    turned = dict(reversed(tensors.items()))
    assert EpisodeState(1, 4, 0.5, tensors).to_bytes() == EpisodeState(1, 4, 0.5, turned).to_bytes()


@pytest.mark.parametrize(
    "meta",
    [{}, {"seq": 1, "step": 4}, {"seq": 1, "step": 4, "lowest": 0.5, "result": None, "attempt": 2}],
    ids=["nothing", "a word missing", "a word more"],
)
def test_tensors_that_are_no_state_are_refused(meta):
    with pytest.raises(CheckpointError, match="no scout's state"):
        EpisodeState.from_bytes(pack({"weight/w": np.ones(2)}, meta))


def test_bytes_that_are_cut_are_no_state():
    whole = EpisodeState(1, 4, 0.5, {"weight/w": torch.ones(2)}).to_bytes()
    for length in range(len(whole)):
        with pytest.raises(CheckpointError):
            EpisodeState.from_bytes(whole[:length])


def test_an_optimiser_that_was_put_back_steps_as_the_first_would():
    """Without its moments Adam's next step would be of the size of the learning rate again."""

    def stepped(parameter: torch.nn.Parameter, adam: torch.optim.Adam) -> torch.Tensor:
        parameter.grad = torch.tensor([0.3, -2.0])
        adam.step()
        return parameter.detach().clone()

    first = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    adam = torch.optim.Adam([first], lr=0.1)
    for gradient in ([5.0, 1.0], [-1.0, 0.0]):
        first.grad = torch.tensor(gradient)
        adam.step()
    kept = optimiser_tensors(adam, {"w": first})
    before = {name: value.clone() for name, value in kept.items()}
    other = torch.nn.Parameter(first.detach().clone())
    again = torch.optim.Adam([other], lr=0.1)
    restore_optimiser(again, {"w": other}, kept)
    expected = stepped(first, adam)
    assert torch.equal(stepped(other, again), expected)
    assert all(torch.equal(kept[name], value) for name, value in before.items())  # neither moved them on
