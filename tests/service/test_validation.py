"""The child that reads uploads: its limits, its end, and what the gateway makes of them."""

import gzip
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import httpx
import numpy as np
import pytest

from service.datasets.validation import _LEAST_CPU_S, Validator, _cpu_seconds, _keep
from service.schemas.datasets import Validation
from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Live, Running
from tests.service.toy_jobs import report
from tests.service.toy_tables import SHEET, sha256, table, wait_until, when_validated

REPORT = Validation(report=report(), problem=None).model_dump_json()


def examine(tmp_path: Path, file: Path, **limits: Any) -> Validation:
    settings = Settings(data=tmp_path / "data", **limits)
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    answer = Validator(settings, None).examine(file, "mine", None, folder)  # type: ignore[arg-type]
    assert answer is not None
    return answer


def refusal(answer: Validation) -> str:
    assert answer.problem is not None
    assert answer.problem.where == "mine"
    return f"{answer.problem.what}; {answer.problem.remedy}"


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    pipe = tmp_path / "table.txt"
    os.mkfifo(pipe)  # reading it waits for ever
    assert "could not be read within 1.5 s" in refusal(examine(tmp_path, pipe, validation_timeout_s=1.5))


@pytest.fixture
def bombs(tmp_path: Path) -> Path:
    """Small files that are large once read."""
    folder = tmp_path / "bombs"
    folder.mkdir()
    line = b"1" * 10**6
    with gzip.open(folder / "line.txt", "wb", compresslevel=1) as file:
        for _ in range(1000):
            file.write(line)
    header = b"gene," + b",".join(b"S%d" % number for number in range(400)) + b"\n"
    rows = [b"ENSMUSG%011d" % number + b",1000000" * 400 + b"\n" for number in range(20_000)]
    (folder / "many.txt").write_bytes(b"".join([header, *rows]))
    # gzip allows parts one after the other.
    (folder / "rows.txt").write_bytes(gzip.compress(header) + gzip.compress(b"".join(rows[:5000])) * 5)
    with h5py.File(folder / "zeros.h5ad", "w") as file:
        file.create_dataset("X", (60_000, 60_000), "f4", chunks=(1000, 1000), compression="gzip")
        for name in ("obs", "var"):
            group = file.create_group(name)
            group.attrs["_index"] = "_index"
            group["_index"] = np.array([b"a"])
    return folder


def test_a_bomb_costs_the_child_its_memory_and_the_gateway_nothing(tmp_path: Path, bombs: Path) -> None:
    expected = {
        "line.txt": "has a line of more than 64 MiB",
        "rows.txt": "unpacks to more than 200 times its size",
        "zeros.h5ad": "declares 13.4 GiB at /X",
    }
    for name, words in expected.items():
        assert words in refusal(examine(tmp_path, bombs / name)), name
    # A table that is none of these, and yet too much.
    assert "memory" in refusal(examine(tmp_path, bombs / "many.txt", validation_memory_mb=512))


def test_the_child_knows_none_of_the_gateways_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ("RNALEARNER_DATABASE_URL", "RAY_AUTH_TOKEN", "AWS_SECRET_ACCESS_KEY")
    for name in secrets:
        monkeypatch.setenv(name, "sqlite:////canary")
    seen = tmp_path / "seen"
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\nenv > {seen}\nulimit -a >> {seen}\n")
    fake.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(fake))
    assert "made its reader fail" in refusal(examine(tmp_path, tmp_path / "table.txt", jail="limits"))
    assert "PATH=" in seen.read_text()
    assert "canary" not in seen.read_text()


@pytest.mark.parametrize(
    "does",
    [
        'echo \'{"problem": null, "rep\' > report.json',
        f"echo '{REPORT}' > report.json",
        f"echo '{REPORT}' > report.json; ln -s /etc/hostname counts.parquet",
        f"echo '{REPORT}' > elsewhere; ln -s elsewhere report.json; echo x > counts.parquet",
        "head -c 20000000 /dev/zero > report.json; echo x > counts.parquet",
    ],
    ids=["half", "without its table", "a link for a table", "a link for a report", "endless"],
)
def test_what_a_reader_leaves_is_taken_as_a_report_only_if_it_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{does}\n")
    fake.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(fake))
    assert "made its reader fail" in refusal(examine(tmp_path, tmp_path / "table.txt", jail="limits"))


def test_a_rejected_table_says_where_what_and_what_to_do(gateway: Running) -> None:
    body = table().replace(b"ENSMUSG", b"Gene")
    path = f"/v1/datasets/{sha256(body)}"
    gateway.lab.put(path, content=body, params={"name": "symbols.csv"})
    shown = when_validated(gateway.lab, path)
    assert (shown["state"], shown["report"]) == ("REJECTED", None)
    assert shown["problem"]["where"] == "symbols.csv"
    assert "Ensembl ids" in shown["problem"]["remedy"]
    assert str(gateway.settings.data) not in str(shown)
    # A sheet does not mend it, and a refused dataset can still be removed.
    assert gateway.lab.put(f"{path}/labels", content=SHEET).json()["state"] == "VALIDATING"
    assert gateway.lab.delete(path).status_code == 204


def test_only_plain_files_of_the_known_names_leave_a_readers_folder(tmp_path: Path) -> None:
    made, folder = tmp_path / "made", tmp_path / "dataset"
    made.mkdir()
    folder.mkdir()
    for name in ("counts.parquet", "report.json", "more.json", "look-other.json"):
        (made / name).write_text("x")
    (made / "look.json").symlink_to("/etc/hostname")
    _keep(made, folder, "ab")
    assert [path.name for path in folder.iterdir()] == ["counts.parquet"]
    (made / "look.json").unlink()
    (made / "look.json").write_text("{}")
    _keep(made, folder, "ab")
    assert sorted(path.name for path in folder.iterdir()) == ["counts.parquet", "look-ab.json"]
    with (made / "look.json").open("wb") as file:
        file.truncate(2**24 + 1)
    _keep(made, folder, "cd")
    assert not (folder / "look-cd.json").exists()


def test_a_validation_cut_by_kill_9_is_done_after_the_restart(settings: Settings, tmp_path: Path) -> None:
    live, body = Live(settings, FakeCluster(tmp_path / "cluster")), table()
    path = f"/v1/datasets/{sha256(body)}"
    try:
        lab = live.start(crash_at="validate.begun")
        with suppress(httpx.TransportError):  # it may die before it has answered
            assert lab.put(path, content=body).status_code == 201
        assert live.died()
        assert when_validated(live.start(), path)["state"] == "READY"
    finally:
        live.stop()


@pytest.fixture
def waiting(sqlite_url: str, tmp_path: Path) -> Iterator[Live]:
    """A gateway whose children wait for a gene table that never comes."""
    os.mkfifo(tmp_path / "genes.csv")
    genes = tmp_path / "genes.csv"
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0, genes=genes)
    live = Live(settings, FakeCluster(tmp_path / "cluster"))
    yield live
    live.stop()


def test_a_stopping_gateway_ends_its_child_and_leaves_the_question_open(waiting: Live) -> None:
    lab, body = waiting.start(), table()
    path = f"/v1/datasets/{sha256(body)}"
    lab.put(path, content=body)
    wait_until(lambda: children_of(waiting) != [])
    children = children_of(waiting)
    assert waiting.stop() == 0
    wait_until(lambda: not any(map(is_alive, children)), 10)
    waiting.settings = waiting.settings.model_copy(update={"genes": None})
    assert when_validated(waiting.start(), path)["state"] == "READY"


def test_a_killed_gateway_leaves_no_child(tmp_path: Path, waiting: Live) -> None:
    lab, body = waiting.start(), table()
    lab.put(f"/v1/datasets/{sha256(body)}", content=body)
    wait_until(lambda: children_of(waiting) != [])
    children = children_of(waiting)
    waiting.kill()
    wait_until(lambda: not any(map(is_alive, children)), 10)


def is_alive(process: int) -> bool:
    """A dead one may still wait for its parent to notice."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children_of(live: Live) -> list[int]:
    """Children of the gateway that read an upload and have set their limits."""
    assert live.process is not None
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            words = stat.with_name("cmdline").read_bytes()
            limits = stat.with_name("limits").read_text()
        except OSError:
            continue
        if (
            parent == live.process.pid
            and b"jobs.validate" in words
            and "Max core file size        0" in limits
        ):
            found.append(int(stat.parent.name))
    return found


def test_a_small_file_may_compute_for_seconds_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.datasets.validation._LEAST_CPU_S", 1.0)
    endless = tmp_path / "python"
    endless.write_text("#!/bin/sh\nulimit -S -t 1\nwhile true; do :; done\n")
    endless.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(endless))
    assert "could not be read within 1 s" in refusal(examine(tmp_path, tmp_path / "table.txt", jail="limits"))


def test_reading_may_compute_longer_where_the_upload_is_large(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    (tmp_path / "small").write_bytes(b"x")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(50 * 2**20)
    assert _cpu_seconds(tmp_path / "small", settings) == pytest.approx(_LEAST_CPU_S, abs=0.01)
    assert _cpu_seconds(tmp_path / "large", settings) == _LEAST_CPU_S + 50
    with (tmp_path / "large").open("ab") as file:
        file.truncate(2**31)
    assert _cpu_seconds(tmp_path / "large", settings) == settings.validation_timeout_s
