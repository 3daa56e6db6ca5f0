import json
from pathlib import Path

import pytest
import torch

from rnalearner.checkpoint import (
    MANIFEST,
    WEIGHTS,
    check_same,
    load_checkpoint,
    load_meta,
    save_checkpoint,
)
from rnalearner.errors import CheckpointError
from rnalearner.publish import sha256_of, write_json

TENSORS = {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3), "b.c": torch.tensor([True, False])}
META = {"gene_set": "f" * 64, "scale": "log2p1_cpm", "step": 7}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "base", TENSORS, META)
    return tmp_path / "base"


def test_tensors_and_meta_come_back_bit_for_bit(tmp_path: Path):
    digest = save_checkpoint(tmp_path / "base", TENSORS, META)
    tensors, meta = load_checkpoint(tmp_path / "base")
    assert meta == load_meta(tmp_path / "base") == META
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], value) for name, value in TENSORS.items())
    assert all(tensors[name].dtype == value.dtype for name, value in TENSORS.items())
    assert digest == sha256_of(tmp_path / "base" / WEIGHTS)


def test_views_and_tensors_of_shared_storage_are_stored_as_they_look(tmp_path: Path):
    whole = torch.arange(12.0).reshape(3, 4)
    save_checkpoint(tmp_path / "a", {"turned": whole.T, "part": whole[1], "whole": whole}, {})
    tensors, _ = load_checkpoint(tmp_path / "a")
    assert torch.equal(tensors["turned"], whole.T)
    assert torch.equal(tensors["part"], whole[1])


def test_every_flipped_byte_of_the_weights_is_found(folder: Path):
    path = folder / WEIGHTS
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError, match="checksum"):
            load_checkpoint(folder)


def test_every_flipped_bit_of_the_manifest_is_found(tmp_path: Path):
    """Also one that changes no value (1e-05 to 1E-05, \\u00fc to \\u00FC) or hides the checksum's name."""
    folder = tmp_path / "base"
    save_checkpoint(folder, TENSORS, META | {"rate": 1e-5, "name": "Künstlich"})
    path = folder / MANIFEST
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError):
            load_checkpoint(folder)


def test_a_manifest_of_before_it_had_a_checksum_is_read(folder: Path):
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["meta_sha256"]
    write_json(folder / MANIFEST, manifest)
    assert load_checkpoint(folder)[1] == META


def test_every_cut_of_either_file_is_found(folder: Path):
    for name in (WEIGHTS, MANIFEST):
        whole = (folder / name).read_bytes()
        for length in range(0, len(whole) - 2, 11):
            (folder / name).write_bytes(whole[:length])
            with pytest.raises(CheckpointError):
                load_checkpoint(folder)
        (folder / name).write_bytes(whole)
    load_checkpoint(folder)


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_a_checkpoint_without_one_of_its_files_is_not_one(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match="not a complete checkpoint"):
        load_checkpoint(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(tmp_path / "nowhere")
    assert caught.value.where == str(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text", ["[]", "3", "null", '{"sha256": "x"}', '{"meta": {}}', '{"meta": 3, "sha256": ""}']
)
def test_a_manifest_of_another_form_is_refused(folder: Path, text: str):
    (folder / MANIFEST).write_text(text)
    for load in (load_checkpoint, load_meta):
        with pytest.raises(CheckpointError):
            load(folder)


def test_bytes_of_another_kind_with_their_own_checksum_are_refused(folder: Path):
    (folder / WEIGHTS).write_bytes(b"no safetensors at all")
    manifest = json.loads((folder / MANIFEST).read_text())
    write_json(folder / MANIFEST, manifest | {"sha256": sha256_of(folder / WEIGHTS)})
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(folder)


def test_a_checkpoint_published_over_an_older_one_replaces_all_of_it(folder: Path):
    save_checkpoint(folder, {"z": torch.zeros(2)}, {"step": 8})
    tensors, meta = load_checkpoint(folder)
    assert tensors.keys() == {"z"}
    assert meta == {"step": 8}
    assert [path.name for path in folder.parent.iterdir()] == ["base"]


def test_a_save_that_fails_leaves_the_older_checkpoint(folder: Path):
    with pytest.raises(ValueError):
        save_checkpoint(folder, {"a": torch.zeros(1)}, {"loss": float("nan")})
    assert load_checkpoint(folder)[1] == META
    assert [path.name for path in folder.parent.iterdir()] == ["base"]


def test_what_differs_is_named_with_both_values(tmp_path: Path):
    check_same(tmp_path, META, {"scale": "log2p1_cpm"})
    with pytest.raises(CheckpointError, match="its scale is log2p1_cpm, not log2p1_cp10k"):
        check_same(tmp_path, META, {"scale": "log2p1_cp10k"})
    with pytest.raises(CheckpointError, match="its model is None"):
        check_same(tmp_path, META, {"model": {"dim": 8}})
