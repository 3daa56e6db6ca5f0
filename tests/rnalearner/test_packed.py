import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save

from rnalearner.errors import CheckpointError
from rnalearner.packed import pack, unpack

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b.c": np.array([True, False])}
META = {"gene_set": "f" * 64, "scale": "log2p1_cpm", "step": 7}


def test_arrays_and_meta_pass_through_bytes_bit_for_bit():
    arrays, meta = unpack("scout", pack(ARRAYS, META))
    assert meta == META
    assert arrays.keys() == ARRAYS.keys()
    assert all(np.array_equal(arrays[name], value) for name, value in ARRAYS.items())
    assert all(arrays[name].dtype == value.dtype for name, value in ARRAYS.items())


def test_equal_things_give_equal_bytes_whatever_the_order_of_their_names():
    arrays = {name: np.full(3, float(place)) for place, name in enumerate("qwertyuiop")}
    meta = {name: {"a": place, "b": [place]} for place, name in enumerate("qwertyuiop")}
    turned = {n: {"b": v["b"], "a": v["a"]} for n, v in reversed(meta.items())}
    assert pack(arrays, meta) == pack(dict(reversed(arrays.items())), turned)
    assert pack(arrays, meta) != pack(arrays, meta | {"q": 1})
    assert pack(arrays, meta) != pack(arrays | {"q": np.full(3, 7.0)}, meta)


def test_views_give_the_bytes_of_what_they_look_like():
    whole = np.arange(12.0).reshape(3, 4)
    plain = {"turned": whole.T.copy(), "part": whole[1].copy(), "whole": whole}
    assert pack({"turned": whole.T, "part": whole[1], "whole": whole}, {}) == pack(plain, {})


def test_numbers_come_back_from_bytes_to_the_last_bit():
    meta = {"loss": 0.1 + 0.2, "least": 5e-324, "name": "Künstlich", "none": None}
    assert unpack("scout", pack({}, meta)) == ({}, meta)


def test_a_meta_that_json_cannot_say_is_refused():
    with pytest.raises(ValueError):
        pack(ARRAYS, {"loss": float("nan")})


def test_bytes_cut_anywhere_are_refused():
    whole = pack(ARRAYS, META)
    for length in range(len(whole)):
        with pytest.raises(CheckpointError, match="holds no tensors with a meta"):
            unpack("scout 3", whole[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 64,
        b"\xff" * 64,
        json.dumps(META).encode(),
        pickle.dumps(META),
        save(ARRAYS),
        save(ARRAYS, {"step": "7"}),
        save(ARRAYS, {"meta": "no JSON"}),
        save(ARRAYS, {"meta": "3"}),
        save(ARRAYS, {"meta": "null"}),
        pack(ARRAYS, META) + b"\x00",
    ],
    ids=[
        "nothing",
        "zeros",
        "ones",
        "JSON",
        "pickle",
        "no metadata",
        "another metadata",
        "meta not JSON",
        "meta a number",
        "meta null",
        "one byte more",
    ],
)
def test_bytes_of_another_making_are_refused_with_their_place(data: bytes):
    with pytest.raises(CheckpointError) as caught:
        unpack("scout 3", data)
    assert caught.value.where == "scout 3"
