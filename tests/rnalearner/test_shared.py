"""Folders on an S3 server: handed on by one host, fetched by another; a host is a folder here."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rnalearner import shared
from rnalearner.config.run import StorageSettings
from rnalearner.errors import CheckpointError, InputError
from rnalearner.layout import RunLayout
from rnalearner.shards.read import ShardStore
from rnalearner.shared import SCRATCH, fetch, hand_on, on_this_host, pull, push, read
from rnalearner.storage import Storage
from tests.s3_server import new_bucket, s3_server
from tests.toy_corpus import write_toy_corpus


@pytest.fixture(scope="module", autouse=True)
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with s3_server(tmp_path_factory.mktemp("home")):
        yield


@pytest.fixture
def storage() -> Storage:
    return Storage(f"{new_bucket()}/run")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A phase of three files, two of the same bytes."""
    folder = tmp_path / "host-a" / "phase"
    written(folder, {"phase.json": "{}", "deep/er/weights": "w" * 1000, "copy": "w" * 1000})
    return folder


def written(folder: Path, contents: dict[str, str]) -> None:
    for path, text in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def flip_a_bit(storage: Storage, name: str) -> None:
    data = bytearray(storage.get(name))
    data[len(data) // 2] ^= 1
    storage.put(name, bytes(data))


def test_a_folder_arrives_as_it_was_and_the_same_bytes_are_sent_once(storage, folder, tmp_path):
    push(storage, "phase", folder)
    assert len(storage.names("phase/files")) == 2
    pull(storage, "phase", tmp_path / "host-b" / "phase")
    assert contents(tmp_path / "host-b" / "phase") == contents(folder)
    assert read(storage, "phase", "phase.json") == b"{}"
    assert read(storage, "phase", "other.json") is None
    assert read(storage, "other", "phase.json") is None


def test_what_is_not_there_leaves_a_folder_alone(storage, folder):
    before = contents(folder)
    pull(storage, "phase", folder)
    assert contents(folder) == before


def test_a_changed_folder_replaces_the_older_one_there_and_here(storage, folder, tmp_path):
    there = tmp_path / "host-b" / "phase"
    push(storage, "phase", folder)
    pull(storage, "phase", there)
    (folder / "copy").unlink()
    written(folder, {"phase.json": '{"made": 2}', "new": "n"})
    push(storage, "phase", folder)
    assert len(storage.names("phase/files")) == 3
    kept = (there / "deep/er/weights").stat().st_ino
    pull(storage, "phase", there)
    assert contents(there) == contents(folder)
    assert (there / "deep/er/weights").stat().st_ino == kept


def test_a_file_of_the_same_size_that_was_changed_in_place_is_noticed(storage, folder, tmp_path):
    push(storage, "phase", folder)
    (folder / "copy").write_text("v" * 1000)
    push(storage, "phase", folder)
    pull(storage, "phase", tmp_path / "phase")
    assert (tmp_path / "phase" / "copy").read_text() == "v" * 1000
    (tmp_path / "phase" / "copy").write_text("x" * 1000)
    pull(storage, "phase", tmp_path / "phase")
    assert (tmp_path / "phase" / "copy").read_text() == "v" * 1000


def test_shards_are_read_on_another_host_as_on_the_first(storage, tmp_path):
    here, there = RunLayout(tmp_path / "host-a"), RunLayout(tmp_path / "host-b")
    store, settings = write_toy_corpus(here.shards), StorageSettings(url=storage.place)
    hand_on(here, settings, ["ingest", "pretrain"])
    fetch(there, settings, ["ingest", "pretrain", "scout"])
    shutil.rmtree(here.root)
    rows = np.arange(48)[::-1]
    fetched = ShardStore.open(there.shards)
    expected = write_toy_corpus(here.shards)
    np.testing.assert_array_equal(fetched.counts(rows)[0], expected.counts(rows)[0])
    assert fetched.manifest == store.manifest
    assert contents(there.shards) == contents(here.shards)


def test_a_flipped_bit_is_refused_and_leaves_no_phase_that_looks_complete(storage, folder, tmp_path):
    there = tmp_path / "host-b" / "phase"
    push(storage, "phase", folder)
    for name in storage.names("phase/files"):
        flip_a_bit(storage, name)
        with pytest.raises(CheckpointError, match="do not match their checksum; remove that file"):
            pull(storage, "phase", there)
        assert not (there / "phase.json").exists()
        storage.remove(name)
        push(storage, "phase", folder)  # as the sentence says
    pull(storage, "phase", there)
    assert contents(there) == contents(folder)


def test_a_flipped_bit_of_the_listing_is_refused(storage, folder, tmp_path):
    push(storage, "phase", folder)
    flip_a_bit(storage, "phase/folder.json")
    with pytest.raises(CheckpointError, match=r"folder\.json: its bytes do not match"):
        pull(storage, "phase", tmp_path / "phase")


@pytest.mark.parametrize("path", ["/etc/toy", "../toy", "a/../../toy"])
def test_a_listing_that_points_out_of_its_folder_is_refused(storage, folder, tmp_path, path):
    push(storage, "phase", folder)
    files = {path: json.loads(storage.get("phase/folder.json"))["files"]["copy"]}
    content = {"sha256": shared._digest(files), "files": files}
    storage.put("phase/folder.json", json.dumps(content).encode())
    with pytest.raises(CheckpointError):
        pull(storage, "phase", tmp_path / "phase")
    assert contents(tmp_path / "phase") == {}


def test_a_file_that_is_gone_is_refused(storage, folder, tmp_path):
    push(storage, "phase", folder)
    storage.remove(storage.names("phase/files")[0])
    with pytest.raises(CheckpointError, match="a file of the folder is missing"):
        pull(storage, "phase", tmp_path / "phase")


KILLED = """
import os, signal, sys
from pathlib import Path
from rnalearner.shared import push
from rnalearner.storage import Storage

class Dying(Storage):
    left = 1

    def step(self):
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def put(self, name, data):
        self.step()
        super().put(name, data)

    def put_file(self, name, path):
        self.step()
        super().put_file(name, path)

    def remove(self, name):
        self.step()
        super().remove(name)

push(Dying(sys.argv[1]), "phase", Path(sys.argv[2]))
"""


def test_a_push_that_is_killed_after_every_step_leaves_the_older_folder_or_the_new_one(
    storage, folder, tmp_path
):
    push(storage, "phase", folder)
    older = contents(folder)
    written(folder, {"phase.json": '{"made": 2}', "copy": "new", "more": "more"})
    newer, found, died = contents(folder), [], [-signal.SIGKILL]
    while died[-1]:
        words = [sys.executable, "-c", KILLED, storage.place, str(folder)]
        died.append(subprocess.run(words, check=False).returncode)
        there = tmp_path / f"host-{len(died)}"
        pull(storage, "phase", there)
        found.append(contents(there))
    assert died[1:] == [-signal.SIGKILL] * 4 + [0]
    assert found == [older, older, older, newer, newer]  # three files, the listing, what nobody needs
    assert len(storage.names("phase/files")) == 4


def _pull(place: str, folder: Path) -> None:
    pull(Storage(place), "phase", folder)


def test_processes_of_a_host_may_ask_at_once(storage, folder, tmp_path):
    push(storage, "phase", folder)
    there = tmp_path / "host-b" / "phase"
    spawned = multiprocessing.get_context("spawn")
    asking = [spawned.Process(target=_pull, args=(storage.place, there)) for _ in range(2)]
    for process in asking:
        process.start()
    for process in asking:
        process.join()
    assert [process.exitcode for process in asking] == [0] * 2
    assert contents(there) == contents(folder)
    assert not [path for path in there.rglob(".*") if path.name != ".known.json"]


def test_a_host_keeps_its_copies_where_its_environment_says(storage, folder, tmp_path, monkeypatch):
    layout, settings = RunLayout(folder.parent), StorageSettings(url=storage.place + "/")
    hand_on(layout, settings, ["phase"])
    assert on_this_host(layout, StorageSettings(), ["phase"]) is layout
    assert on_this_host(layout, settings, ["phase"]) == layout
    monkeypatch.setenv(SCRATCH, str(tmp_path / "scratch"))
    there = on_this_host(layout, settings, ["phase"])
    assert there.root.parent == tmp_path / "scratch"
    assert contents(there.phase("phase")) == contents(folder)


def test_a_host_where_the_run_cannot_lie_says_what_to_set(storage, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    layout = RunLayout(tmp_path / "file" / "run")
    with pytest.raises(InputError, match=f"cannot lie there on this host .* set {SCRATCH}"):
        on_this_host(layout, StorageSettings(url=storage.place), ["ingest"])


def test_without_a_url_nothing_is_looked_at(folder):
    layout, before = RunLayout(folder.parent), sorted(os.listdir(folder))
    hand_on(layout, StorageSettings(), ["phase"])
    fetch(layout, StorageSettings(), ["phase"])
    assert sorted(os.listdir(folder)) == before
