"""A thousand flipped bits in what is stored: each is noticed before a number is used.

Files are drawn alike, large or small, and then one of their bits, so that manifests and rows, which say
what the numbers mean, are hit as often as the numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster.outbox import Outbox
from rnalearner.checkpoint import load_checkpoint, save_checkpoint
from rnalearner.errors import RnalearnerError
from rnalearner.scouts.state import EpisodeState
from rnalearner.shards.read import ShardStore
from rnalearner.storage import Storage, sha256
from tests.toy_corpus import write_toy_corpus
from tests.toy_deltas import RUN, announce, ledger_on, random_delta

N_FLIPS = 1000
SCOUT = 3


@dataclass
class Stored:
    """Files that belong together, and what reads all of their numbers."""

    files: list[Path]
    read: Callable[[], None]


def shards(folder: Path) -> Stored:
    store = write_toy_corpus(folder / "shards")

    def read() -> None:
        opened = ShardStore.open(folder / "shards")
        opened.tokens(np.arange(opened.n_obs))

    assert store.n_obs == 48
    return Stored(files_of(folder / "shards"), read)


def checkpoint(folder: Path) -> Stored:
    tensors = {"w": torch.randn(20, 10, generator=torch.Generator().manual_seed(0)), "v": torch.arange(7)}
    meta = {"gene_set": "f" * 64, "scale": "log2p1_cpm", "step": 7, "rate": 1e-5, "note": "Künstlich"}
    save_checkpoint(folder / "base", tensors, meta)
    return Stored(files_of(folder / "base"), lambda: ignore(load_checkpoint(folder / "base")))


def committed_delta(folder: Path) -> Stored:
    storage = Storage(folder / "deltas")
    assert ledger_on(storage).push(announce(storage, random_delta(SCOUT, accuracy=0.9))).accepted

    def read() -> None:
        ledger = ledger_on(storage)
        row = ledger.last(SCOUT)
        assert row is not None
        ledger.delta(row)

    return Stored(files_of(folder / "deltas"), read)


def state(folder: Path) -> Stored:
    """A flipped state is skipped: here the only one, so that none is left."""
    storage = Storage(folder / "states")
    tensors = {"weight/w": torch.randn(20, generator=torch.Generator().manual_seed(1))}
    data = EpisodeState(2, 8, 0.5, tensors).to_bytes()
    storage.put(f"states/scout-{SCOUT:05d}/00000-00002-{sha256(data)}.safetensors", data)

    def read() -> None:
        if Outbox("no guide", storage, RUN, SCOUT, 0)._newest_state() is None:
            raise RnalearnerError(f"scout {SCOUT}", "has no state that is whole", "begin at the base")

    return Stored(files_of(folder / "states"), read)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def ignore(value: object) -> None:
    pass


def is_caught(stored: Stored, path: Path, bit: int) -> bool:
    """Flip, read, put back."""
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    try:
        stored.read()
    except RnalearnerError:
        return True
    finally:
        path.write_bytes(whole)
    return False


@pytest.fixture
def stored(tmp_path: Path) -> list[Stored]:
    made = [kind(tmp_path) for kind in (shards, checkpoint, committed_delta, state)]
    for one in made:
        one.read()
    return made


def test_every_one_of_a_thousand_flipped_bits_is_caught(stored: list[Stored], tmp_path: Path):
    rng = np.random.default_rng(20)
    places = [(one, path) for one in stored for path in one.files]
    caught, missed = 0, []
    for _ in range(N_FLIPS):
        one, path = places[rng.integers(len(places))]
        bit = int(rng.integers(8 * path.stat().st_size))
        if is_caught(one, path, bit):
            caught += 1
        else:
            missed.append(f"{path.relative_to(tmp_path)}, bit {bit}")
    assert missed == []
    assert caught == N_FLIPS
    for one in stored:  # and all was put back
        one.read()
