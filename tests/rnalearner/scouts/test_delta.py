import numpy as np
import pytest
import torch

from rnalearner.errors import CheckpointError
from rnalearner.scouts.delta import WeightDelta, load_delta, moved, rms, save_delta, snapshot


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


def test_a_stored_delta_comes_back_and_damage_is_noticed(tmp_path):
    values = {"w": np.array([1.5, -0.25], np.float32)}
    delta = WeightDelta(4, 1, 2, 30, 64, "abc", values)
    save_delta(tmp_path / "delta", delta)
    found = load_delta(tmp_path / "delta")
    assert (found.scout_id, found.order, found.step, found.n_samples) == (4, (1, 2), 30, 64)
    assert found.base_checkpoint == "abc"
    np.testing.assert_array_equal(found.deltas["w"], values["w"])
    weights = tmp_path / "delta" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x07")
    with pytest.raises(CheckpointError, match="do not match their checksum"):
        load_delta(tmp_path / "delta")
