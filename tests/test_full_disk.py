"""A disk that fills up at any moment, or may only be read: no torn file is seen, and the work goes on.

On a real file system of 64 MiB, filled so far that what is being written finds no room somewhere in it.
"""

import errno
import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from rnalearner.checkpoint import load_checkpoint, save_checkpoint
from rnalearner.finetune.trials import TrialJournal
from rnalearner.publish import sha256_of
from rnalearner.shards.read import ShardStore
from rnalearner.storage import Storage
from tests.service.toy_tables import SHEET, table
from tests.toy_corpus import write_toy_corpus
from tests.toy_deltas import announce, ledger_on, random_delta

N_FILLS = 50
SIZE = "64m"
PAGE = 4096
SCOUT = 3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    gc.freeze()  # else each look for what is no longer used, below, goes through all of torch
    yield place
    gc.unfreeze()
    gc.collect()  # what failed may still have its file open
    subprocess.run(["umount", str(place)], check=True)


def free_pages(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize // PAGE


@contextmanager
def filled(disk: Path, room: int) -> Iterator[None]:
    """With only `room` pages free."""
    gc.collect()  # a removed file takes room for as long as somebody has it open
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, (free_pages(disk) - room) * PAGE)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def only_read(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


@dataclass(frozen=True)
class Work:
    """Something that is written; called again after a fault it goes on, or writes all of it anew."""

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    """All that can be seen of it, with its checksums: raises where something is torn."""
    older: Callable[[Path], object] = lambda folder: None
    """What lies there before, and must stay until the new one is whole."""


def write_shards(folder: Path, seed: int = 0) -> None:
    write_toy_corpus(folder / "shards", seed, n_studies=8)


def read_shards(folder: Path) -> None:
    ShardStore.open(folder / "shards").verify()


def write_checkpoint(folder: Path, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randn(100, 100, generator=generator) for name in "abcdef"}
    save_checkpoint(folder / "base", tensors, {"step": seed, "note": "n" * 9000})


def read_checkpoint(folder: Path) -> None:
    load_checkpoint(folder / "base")


def commit_deltas(folder: Path) -> None:
    """As a scout and its guide do, one after the other; what is committed already is only repeated."""
    storage = Storage(folder / "deltas")
    ledger = ledger_on(storage)
    for seq in range(1, 11):
        assert ledger.push(announce(storage, random_delta(SCOUT, seq))).accepted


def read_deltas(folder: Path) -> None:
    storage = Storage(folder / "deltas")
    ledger = ledger_on(storage)
    for row in ledger.rows():
        ledger.delta(row)
    for path in (folder / "deltas" / "deltas").rglob("*.safetensors"):
        assert sha256_of(path).startswith(path.stem.split("-")[1])


def keep_journal(folder: Path) -> None:
    journal = TrialJournal(folder / "trials.jsonl")
    for number in range(30):
        if number not in journal.trials:
            journal.begin(number, {"learning_rate": number / 7, "note": "n" * 999})


def read_journal(folder: Path) -> None:
    """It drops a last line that was cut; every other one is whole."""
    TrialJournal(folder / "trials.jsonl")


WORKS = {
    "shards": Work(write_shards, read_shards, lambda folder: write_shards(folder, seed=1)),
    "checkpoint": Work(write_checkpoint, read_checkpoint, lambda folder: write_checkpoint(folder, seed=1)),
    "deltas": Work(commit_deltas, read_deltas),
    "journal": Work(keep_journal, read_journal),
}


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def refused(work: Work, folder: Path, number: int) -> None:
    """It ends with this fault of the disk's, which the command line tells as a sentence."""
    with pytest.raises(OSError) as caught:
        work.write(folder)
    assert caught.value.errno == number


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_a_disk_that_is_full_at_a_random_write_shows_nothing_torn_and_with_room_all_is_as_ever(
    work: Work, disk: Path
) -> None:
    before = free_pages(disk)
    work.write(disk / "calm")
    undisturbed, needed = bytes_of(disk / "calm"), before - free_pages(disk)
    rng = np.random.default_rng(20)
    for fill in range(N_FILLS):
        folder = disk / str(fill)
        folder.mkdir()
        work.older(folder)
        older = bytes_of(folder)
        with filled(disk, int(rng.integers(needed))):
            refused(work, folder, errno.ENOSPC)
            if older:
                assert bytes_of(folder) == older
            if older or any(folder.iterdir()):
                work.read(folder)
        assert not [path for path in bytes_of(folder) if Path(path).name.startswith(".")]
        work.write(folder)
        assert bytes_of(folder) == undisturbed


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_a_disk_that_may_only_be_read_changes_nothing_and_afterwards_all_is_as_ever(
    work: Work, disk: Path
) -> None:
    work.write(disk / "calm")
    folder = disk / "work"
    folder.mkdir()
    work.older(folder)
    older = bytes_of(folder)
    with only_read(disk):
        refused(work, folder, errno.EROFS)
        assert bytes_of(folder) == older
    work.write(folder)
    work.read(folder)
    assert bytes_of(folder) == bytes_of(disk / "calm")


RECIPE = """
name = "own"
preprocessing = { min_expressed_genes = 1 }
[data]
source = "tables"
tables = [{ study = "mine", path = "counts.csv", sheet = "sheet.csv" }]
[[tasks]]
name = "letters"
train = "mine"
column = "label"
groups = ["a", "b", "c"]
"""


def linear(folder: Path, run: Path) -> "subprocess.CompletedProcess[str]":
    """`rnalearner linear --needs` into `run`."""
    words = ["linear", "recipe.toml", "--needs", "--out", str(run), "--json"]
    command = [sys.executable, "-m", "jobs.cli", *words]
    environment = os.environ | {"HOME": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def results(run: Path) -> dict[str, bytes]:
    return {name: (run / "linear" / f"{name}.csv").read_bytes() for name in ("genes", "predictions")}


def test_a_command_on_a_full_disk_ends_with_a_sentence_and_goes_on_when_there_is_room(
    disk: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "counts.csv").write_bytes(table(0, 300))
    (tmp_path / "sheet.csv").write_bytes(SHEET)
    before = free_pages(disk)
    calm = linear(tmp_path, disk / "calm")
    assert calm.returncode == 0, calm.stderr
    needed = before - free_pages(disk)
    room = int(np.random.default_rng(21).integers(needed // 2, needed))  # in its second phase
    with filled(disk, room):
        full = linear(tmp_path, disk / "run")
    assert full.returncode == 1, full.stderr
    assert "there is no space left; make room" in full.stderr.splitlines()[-1]
    assert "Traceback" not in full.stderr
    done = linear(tmp_path, disk / "run")
    assert done.returncode == 0, done.stderr
    assert results(disk / "run") == results(disk / "calm")
