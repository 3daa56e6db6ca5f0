"""Bytes by name, in a folder, in the memory that fsspec knows and on S3: the same words, the same answers."""

import resource
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest

from rnalearner.errors import InputError
from rnalearner.storage import Storage, sha256
from tests.s3_server import new_bucket, s3_server


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with s3_server(tmp_path_factory.mktemp("home")):
        yield


@pytest.fixture(params=["folder", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "folder":
        yield Storage(tmp_path / "run")
        return
    if request.param == "s3":
        request.getfixturevalue("s3")
        yield Storage(f"{new_bucket()}/run")
        return
    place = f"memory://{uuid.uuid4().hex}/run"
    yield Storage(place)
    memory = fsspec.filesystem("memory")
    if memory.exists(place.removeprefix("memory:/")):
        memory.rm(place.removeprefix("memory:/"), recursive=True)


@contextmanager
def disk_that_is_full(n_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond `n_bytes`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_was_put_is_found_and_put_again_replaces_it(storage: Storage):
    storage.put("deltas/scout-00003/a", b"\x00one")
    assert storage.get("deltas/scout-00003/a") == b"\x00one"
    storage.put("deltas/scout-00003/a", b"two, and longer")
    assert storage.get("deltas/scout-00003/a") == b"two, and longer"
    assert storage.names("deltas") == ["deltas/scout-00003/a"]


def test_nothing_at_all_can_be_stored(storage: Storage):
    assert storage.put_new("attempts/0", b"")
    assert storage.get("attempts/0") == b""
    assert storage.names("attempts") == ["attempts/0"]


def test_a_taken_name_keeps_its_first_bytes(storage: Storage):
    assert storage.put_new("rows/1", b"first")
    assert not storage.put_new("rows/1", b"second")
    assert not storage.put_new("rows/1", b"first")
    assert storage.get("rows/1") == b"first"
    assert storage.names("rows") == ["rows/1"]


def test_names_are_relative_sorted_and_of_one_folder_with_all_below_it(storage: Storage):
    for name in ("rows/scout-2/1", "rows/scout-10/1", "rows/scout-10/0", "rows-of-another/1", "row/1"):
        storage.put(name, b"x")
    assert storage.names("rows") == ["rows/scout-10/0", "rows/scout-10/1", "rows/scout-2/1"]
    assert storage.names("rows/scout-10") == ["rows/scout-10/0", "rows/scout-10/1"]


def test_a_folder_that_is_not_there_holds_no_names(storage: Storage):
    assert storage.names("nowhere") == []
    storage.put("somewhere/1", b"x")
    assert storage.names("nowhere") == []


def test_another_storage_of_the_place_finds_what_came_later(storage: Storage):
    other = Storage(storage.place)
    assert other.names("rows") == []
    storage.put("rows/1", b"x")
    assert other.names("rows") == ["rows/1"]
    assert not other.put_new("rows/1", b"y")
    assert other.get("rows/1") == b"x"


def test_what_is_removed_is_gone_and_may_be_removed_again(storage: Storage):
    storage.put("rows/1", b"x")
    storage.put("rows/2", b"y")
    storage.remove("rows/1")
    storage.remove("rows/1")
    storage.remove("nowhere/1")
    assert storage.names("rows") == ["rows/2"]
    with pytest.raises(FileNotFoundError):
        storage.get("rows/1")
    assert storage.put_new("rows/1", b"z")


def test_what_was_never_there_is_not_found(storage: Storage):
    with pytest.raises(FileNotFoundError):
        storage.get("rows/1")


def test_a_place_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    storage = Storage("run/deltas/")
    storage.put("rows/1", b"x")
    assert storage.names("rows") == ["rows/1"]
    assert (tmp_path / "run/deltas/rows/1").read_bytes() == b"x"


def test_a_name_that_is_being_written_is_hidden(tmp_path: Path):
    storage = Storage(tmp_path)
    storage.put("rows/1", b"x")
    (tmp_path / "rows" / f".{uuid.uuid4().hex}.2").write_bytes(b"hal")
    assert storage.names("rows") == ["rows/1"]


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_of_several_writers_of_one_name_one_writes(kind: str, request: pytest.FixtureRequest, tmp_path: Path):
    if kind == "s3":
        request.getfixturevalue("s3")
    place = str(tmp_path) if kind == "folder" else new_bucket()
    n_writers, n_names = 8, 25 if kind == "folder" else 5
    begin = threading.Barrier(n_writers)
    wrote: list[tuple[str, int]] = []

    def write(writer: int) -> None:
        storage = Storage(place)
        for name in (f"rows/{number}" for number in range(n_names)):
            begin.wait()
            if storage.put_new(name, str(writer).encode() * 10_000):
                wrote.append((name, writer))

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(n_writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for name, _ in wrote) == sorted(f"rows/{number}" for number in range(n_names))
    for name, writer in wrote:
        assert Storage(place).get(name) == str(writer).encode() * 10_000
    assert len(Storage(place).names("rows")) == n_names
    assert kind == "s3" or len(everything(tmp_path)) == n_names  # nothing hidden either


@pytest.mark.parametrize("write", [Storage.put, Storage.put_new], ids=["put", "put_new"])
def test_a_write_that_finds_the_disk_full_leaves_nothing(
    tmp_path: Path, write: Callable[[Storage, str, bytes], object]
):
    storage = Storage(tmp_path)
    with disk_that_is_full(2**16), pytest.raises(OSError, match="too large"):
        write(storage, "rows/1", b"x" * 2**17)
    assert everything(tmp_path) == []
    write(storage, "rows/1", b"x")
    assert storage.get("rows/1") == b"x"


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path):
    storage = Storage(tmp_path)
    storage.put("rows/1", b"old")
    with disk_that_is_full(2**16), pytest.raises(OSError, match="too large"):
        storage.put("rows/1", b"x" * 2**17)
    assert storage.get("rows/1") == b"old"
    assert everything(tmp_path) == ["rows/1"]


def test_a_file_goes_there_and_comes_back(storage: Storage, tmp_path: Path):
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(bytes(range(256)) * 4096)
    storage.put_file("shards/1", sent)
    storage.put_file("shards/1", sent)
    storage.get_file("shards/1", got)
    assert got.read_bytes() == sent.read_bytes()
    assert storage.names("shards") == ["shards/1"]
    with pytest.raises(FileNotFoundError):
        storage.get_file("shards/2", got)


def test_a_place_that_can_be_used_is_left_as_it_was(storage: Storage):
    storage.put("rows/1", b"x")
    storage.check()
    assert storage.names("") == ["rows/1"]


def test_a_bucket_that_is_not_there_is_one_sentence(s3: None, tmp_path: Path):
    storage = Storage("s3://toy-that-nobody-made/run")
    with pytest.raises(InputError, match=r"s3://toy-that-nobody-made/run: is not there .* make the bucket"):
        storage.check()
    with pytest.raises(InputError, match="make the bucket"):
        storage.put_new("rows/1", b"x")
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(InputError, match="make the bucket"):
        storage.put_file("rows/1", tmp_path / "file")
    assert storage.names("rows") == []


def test_a_server_that_is_not_there_is_one_sentence(s3: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        with pytest.raises(InputError, match=r"s3://toy/run: cannot be used .*127\.0\.0\.1:9.*AWS_"):
            Storage("s3://toy/run").check()
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_keys_that_are_missing_are_one_sentence(s3: None, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    try:
        with pytest.raises(InputError, match=r"s3://toy/run: .*credentials.*keys"):
            Storage("s3://toy/run").check()
    finally:
        fsspec.get_filesystem_class("s3").clear_instance_cache()


def test_a_url_that_nobody_knows_is_one_sentence():
    with pytest.raises(
        InputError, match=r"nfs4://host/run: is no place that fsspec knows .* s3://bucket/run"
    ):
        Storage("nfs4://host/run")


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "libarchive", None)  # as Python has it where there is none
    with pytest.raises(InputError, match=r"needs a package that is not installed .*LibArchive.*pip install"):
        Storage("libarchive://x")


def test_the_digest_is_that_of_the_bytes():
    # From the standard, FIPS 180-2, appendix B.1.
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
