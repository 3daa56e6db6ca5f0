import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save

from rnalearner.errors import CheckpointError
from rnalearner.packed import pack
from rnalearner.scouts.delta import EpisodeResult, WeightDelta, rms
from rnalearner.scouts.distance import moved, snapshot, weights_sha256

RESULT = EpisodeResult(4, "one against another", 64, 16, 2.5, 30, 1.0, 1e-5, True, 0.1)


@pytest.fixture
def delta() -> WeightDelta:
    values = {"w": np.array([1.5, -0.25], np.float32), "v": np.arange(6, dtype=np.float32).reshape(3, 2)}
    head_g = np.array([0.5, 0, 2], np.float32)
    return WeightDelta("run", 4, 2, 30, 64, "abc", "def", values, head_g)


def test_a_delta_is_now_minus_base_whatever_happened_between(make_encoder):
    encoder = make_encoder()
    trained = encoder.trained_parameters(1)
    base = snapshot(trained)
    with torch.no_grad():
        for parameter in trained.values():
            parameter.add_(7.0)  # a first move, which the second delta must include
            parameter.copy_(base[next(n for n, p in trained.items() if p is parameter)] + 0.5)
    deltas = moved(base, trained)
    assert deltas.keys() == trained.keys()
    for name, delta in deltas.items():
        assert delta.dtype == np.float32
        np.testing.assert_allclose(delta, 0.5, atol=1e-6, err_msg=name)


def test_redrawn_projections_never_enter_a_delta(make_encoder):
    encoder = make_encoder()
    buffers = dict(encoder.named_buffers())
    assert any("projection_matrix" in name for name in buffers)
    for trained_blocks in (0, 1, 2):
        base = snapshot(encoder.trained_parameters(trained_blocks))
        encoder.redraw(seed=trained_blocks + 9)
        deltas = moved(base, encoder.trained_parameters(trained_blocks))
        assert not deltas.keys() & buffers.keys()
        assert all((delta == 0).all() for delta in deltas.values())


def test_anything_but_a_parameter_is_refused(make_encoder):
    with pytest.raises(TypeError, match="gene_vectors_gd is not a parameter"):
        snapshot(dict(make_encoder().named_buffers()))


def test_other_parameters_than_the_base_s_are_refused(make_encoder):
    encoder = make_encoder()
    with pytest.raises(ValueError, match="not the parameters of the base"):
        moved(snapshot(encoder.trained_parameters(1)), encoder.trained_parameters(2))


def test_rms_is_over_all_elements_alike():
    deltas = {"a": np.full((3, 4), 2.0, np.float32), "b": np.zeros(4, np.float32)}
    assert rms(deltas) == pytest.approx(np.sqrt(12 * 4 / 16))


@pytest.mark.parametrize("result", [None, RESULT], ids=["underway", "ended"])
def test_a_delta_comes_back_from_its_bytes(delta, result):
    delta = replace(delta, result=result)
    found = WeightDelta.from_bytes(delta.to_bytes())
    for name in ("run", "scout_id", "seq", "step", "n_samples", "base_checkpoint", "weights", "result"):
        assert getattr(found, name) == getattr(delta, name), name
    assert found.deltas.keys() == delta.deltas.keys()
    for name, value in delta.deltas.items():
        assert found.deltas[name].dtype == np.float32
        np.testing.assert_array_equal(found.deltas[name], value)
    np.testing.assert_array_equal(found.head_g, delta.head_g)
    assert found.to_bytes() == delta.to_bytes()


def test_equal_deltas_give_equal_bytes_however_their_tensors_lie(delta):
    turned = {
        "v": np.asfortranarray(delta.deltas["v"]),
        "w": np.repeat(delta.deltas["w"], 2)[::2],
    }
    assert replace(delta, deltas=turned).to_bytes() == delta.to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 3},
        {"weights": "fed"},
        {"result": RESULT},
        {"head_g": np.array([0.5, 0, 2.0000002], np.float32)},
        {"deltas": {"w": np.zeros(2, np.float32)}},
    ],
    ids=["seq", "weights", "result", "head", "tensors"],
)
def test_deltas_that_differ_give_other_bytes(delta, change):
    assert replace(delta, **change).to_bytes() != delta.to_bytes()


def test_a_result_that_is_not_a_number_is_not_sent(delta):
    with pytest.raises(ValueError):
        replace(delta, result=replace(RESULT, loss=float("nan"))).to_bytes()


def test_bytes_that_are_cut_are_no_delta(delta):
    whole = delta.to_bytes()
    for length in range(len(whole)):
        with pytest.raises(CheckpointError):
            WeightDelta.from_bytes(whole[:length])


ABOUT = {
    "run": "run",
    "scout_id": 4,
    "seq": 2,
    "step": 30,
    "n_samples": 64,
    "base_checkpoint": "abc",
    "weights": "def",
    "result": None,
}
TENSORS = {"w": np.ones(2), "head_g": np.ones(3)}


@pytest.mark.parametrize(
    ("tensors", "meta"),
    [
        (TENSORS, {}),
        (TENSORS, {name: value for name, value in ABOUT.items() if name != "weights"}),
        (TENSORS, ABOUT | {"attempt": 1}),
        (TENSORS, ABOUT | {"result": {"scout_id": 4}}),
        (TENSORS, ABOUT | {"result": 3}),
        ({"w": np.ones(2)}, ABOUT),
    ],
    ids=[
        "another kind of file",
        "a word missing",
        "a word more",
        "half a result",
        "no result",
        "no head",
    ],
)
def test_tensors_that_are_no_delta_are_refused(tensors, meta):
    WeightDelta.from_bytes(pack(TENSORS, ABOUT))
    with pytest.raises(CheckpointError, match="is no weight delta"):
        WeightDelta.from_bytes(pack(tensors, meta))


def test_numbers_that_numpy_lacks_are_refused():
    told = {"meta": json.dumps(ABOUT, sort_keys=True)}
    with pytest.raises(CheckpointError, match="holds no tensors with a meta"):
        WeightDelta.from_bytes(save({"w": torch.ones(2, dtype=torch.bfloat16)}, told))


def test_the_hash_of_weights_is_of_names_and_values_alone():
    weights = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([[3.0], [4.0]])}
    found = weights_sha256(weights)
    assert weights_sha256(dict(reversed(weights.items()))) == found
    assert weights_sha256({"a": torch.tensor([1.0, 0.0, 2.0])[::2], "b": weights["b"]}) == found
    last_bit = np.nextafter(np.float32(4), np.float32(5))
    for other in (
        {"a": weights["a"], "c": weights["b"]},
        {"a": weights["a"]},
        weights | {"a": torch.tensor([2.0, 1.0])},
        weights | {"b": torch.tensor([[3.0], [float(last_bit)]])},
    ):
        assert weights_sha256(other) != found
