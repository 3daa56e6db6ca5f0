import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rnalearner.publish import (
    publish_file,
    publish_folder,
    publish_new,
    remove_halves,
    sha256_of,
    write_json,
    write_text,
)

ROOT = Path(__file__).resolve().parents[1]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_its_block_ends_well(tmp_path: Path):
    target = tmp_path / "deep" / "table.csv"
    with publish_file(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.suffix == ".csv"
    assert target.read_text() == "whole"
    assert names(target.parent) == ["table.csv"]


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path):
    deep = tmp_path / "run" / "deep"
    deep.mkdir(parents=True)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from rnalearner.publish import publish_file, publish_folder\n"
        "with publish_folder(Path(sys.argv[1]) / 'model') as folder, publish_file(folder / 'weights') as one,"
        " publish_file(Path(sys.argv[1]) / 'table.csv') as other:\n"
        "    one.write_text('hal'); other.write_text('hal'); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(deep)], cwd=ROOT, check=False)
    assert killed.returncode == -9
    for kept in (".lock", "table.csv", ".hidden.csv"):
        (deep / kept).write_text("kept")
    assert len(names(deep)) == 5
    remove_halves(tmp_path / "run")
    assert names(deep) == [".hidden.csv", ".lock", "table.csv"]


def test_a_failed_write_leaves_the_older_file_and_nothing_beside_it(tmp_path: Path):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def write() -> None:
        with publish_file(target) as temporary:
            temporary.write_text("hal")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["table.csv"]


def test_a_block_that_wrote_nothing_publishes_nothing(tmp_path: Path):
    with pytest.raises(FileNotFoundError), publish_file(tmp_path / "a"):
        pass
    assert names(tmp_path) == []


def test_a_folder_replaces_an_older_one_whole(tmp_path: Path):
    target = tmp_path / "shards"
    for name in ("old", "new"):
        with publish_folder(target) as temporary:
            (temporary / "inner").mkdir()
            (temporary / "inner" / name).write_text(name)
    assert [path.name for path in target.rglob("*")] == ["inner", "new"]
    assert names(tmp_path) == ["shards"]


def test_a_folder_that_failed_halfway_leaves_the_older_one(tmp_path: Path):
    target = tmp_path / "shards"
    with publish_folder(target) as temporary:
        (temporary / "a").write_text("old")

    def write() -> None:
        with publish_folder(target) as temporary:
            (temporary / "a").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert (target / "a").read_text() == "old"
    assert names(tmp_path) == ["shards"]


def test_a_process_killed_while_writing_leaves_no_target(tmp_path: Path):
    program = (
        "import os, sys; from pathlib import Path; from rnalearner.publish import *\n"
        "with publish_folder(Path(sys.argv[1]) / 'folder') as folder:\n"
        "    (folder / 'half').write_text('x')\n"
        "    with publish_file(Path(sys.argv[1]) / 'file') as file:\n"
        "        file.write_text('x'); os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 9
    assert not (tmp_path / "folder").exists()
    assert not (tmp_path / "file").exists()
    assert all(name.startswith(".") for name in names(tmp_path))


def test_a_new_file_is_written_once_and_never_again(tmp_path: Path):
    target = tmp_path / "deep" / "row.json"
    assert publish_new(target, b"first")
    assert not publish_new(target, b"second")
    assert target.read_bytes() == b"first"
    assert names(target.parent) == ["row.json"]


def test_a_folder_of_that_name_is_not_written_over_either(tmp_path: Path):
    (tmp_path / "row.json").mkdir()
    assert not publish_new(tmp_path / "row.json", b"first")
    assert names(tmp_path) == ["row.json"]


def test_of_several_that_write_a_new_file_one_does(tmp_path: Path):
    begin, wrote = threading.Barrier(8), []

    def write(writer: int) -> None:
        begin.wait()
        if publish_new(tmp_path / "row.json", bytes([writer]) * 100_000):
            wrote.append(writer)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrote) == 1
    assert (tmp_path / "row.json").read_bytes() == bytes(wrote) * 100_000
    assert names(tmp_path) == ["row.json"]


def test_what_json_cannot_say_is_refused_and_the_older_file_stays(tmp_path: Path):
    target = tmp_path / "figures.json"
    write_json(target, {"loss": 1.5, "gene": "Künstlich"})
    with pytest.raises(ValueError):
        write_json(target, {"loss": float("nan")})
    assert json.loads(target.read_text()) == {"loss": 1.5, "gene": "Künstlich"}
    assert names(tmp_path) == ["figures.json"]


def test_the_digest_is_that_of_the_bytes(tmp_path: Path):
    write_text(tmp_path / "a", "ä" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(("ä" * 100_000).encode()).hexdigest()
