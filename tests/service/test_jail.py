"""The jail in which uploads are read: what is tried from inside, and a gateway that has none."""

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rnalearner.counts.read import read_counts
from rnalearner.errors import GatewayError
from service import dataset_files
from service.datasets import jail
from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running, running
from tests.service.toy_tables import SHEET, sha256, table, when_validated

TRIES = """
import json, os, pathlib, socket, sys
seen, outside, port = {}, *sys.argv[1:]

def attempt(name, what):
    try:
        seen[name] = str(what())
    except OSError as error:
        seen[name] = type(error).__name__

attempt("upload", lambda: pathlib.Path("../upload.csv").read_text())
attempt("neighbours", lambda: os.listdir(".."))
attempt("outside", lambda: pathlib.Path(outside).read_text())
attempt("passwords", lambda: pathlib.Path("/etc/passwd").read_text())
attempt("home", lambda: os.listdir(os.path.expanduser("~root")))
attempt("write upload", lambda: pathlib.Path("../upload.csv").write_text("x"))
attempt("write program", lambda: pathlib.Path(json.__file__).with_name("x").write_text("x"))
attempt("write here", lambda: pathlib.Path("made").write_text("made"))
attempt("call", lambda: socket.create_connection(("127.0.0.1", int(port)), 2))
attempt("processes", lambda: len([name for name in os.listdir("/proc") if name.isdigit()]))
attempt("gateway", lambda: pathlib.Path(f"/proc/{os.getppid()}/environ").read_text())
pathlib.Path("seen.json").write_text(json.dumps(seen))
"""


@pytest.fixture
def bubblewrap(tmp_path: Path) -> None:
    if not jail.is_jailed(Settings(data=tmp_path)):
        pytest.skip("needs bubblewrap that works")


def test_from_inside_nothing_else_is_seen_reached_or_written(
    bubblewrap: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "canary")
    folder = tmp_path / "scratch" / "read"
    folder.mkdir(parents=True)
    upload, outside = folder.parent / "upload.csv", tmp_path / "gateway.db"
    upload.write_text("counts")
    (folder.parent / "labels.csv").write_text("of somebody else")
    outside.write_text("canary")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        words = jail.jailed([sys.executable, "-I", "-c", TRIES, str(outside), port], [upload], folder)
        done = subprocess.run(words, env={"PATH": os.defpath}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads((folder / "seen.json").read_text())
    assert (seen.pop("upload"), seen.pop("write here")) == ("counts", "4")
    assert "labels.csv" not in seen.pop("neighbours")
    assert int(seen.pop("processes")) <= 2
    assert "canary" not in seen.pop("gateway")
    assert set(seen.values()) <= {"FileNotFoundError", "ConnectionRefusedError", "OSError", "PermissionError"}
    assert upload.read_text() == "counts"


def test_where_a_jail_must_be_and_is_none_the_gateway_does_not_start(
    settings: Settings, fake: FakeCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jail, "_fault", lambda: "is not installed")
    with pytest.raises(GatewayError, match="bubblewrap: is not installed; install it"):
        jail.say_how(settings.model_copy(update={"jail": "bubblewrap"}))
    with caplog.at_level(logging.WARNING), running(settings, fake) as gateway:
        path = f"/v1/datasets/{sha256(table())}"
        gateway.lab.put(path, content=table())
        assert when_validated(gateway.lab, path)["state"] == "READY"
    assert "under limits, but in no jail: is not installed" in caplog.text


def test_only_the_canonical_form_is_left_for_jobs(gateway: Running) -> None:
    path = f"/v1/datasets/{sha256(table())}"
    gateway.lab.put(path, content=table())
    gateway.lab.put(f"{path}/labels", content=SHEET)
    assert when_validated(gateway.lab, path)["state"] == "READY"
    folder = dataset_files.dataset_folder(gateway.settings, "lab", sha256(table()))
    stored = read_counts(folder / dataset_files.CANONICAL)
    (folder / "as_it_came.csv").write_bytes(table())
    pd.testing.assert_frame_equal(
        stored.to_df("counts"), read_counts(folder / "as_it_came.csv").to_df("counts")
    )
    labels = pd.read_parquet(folder / dataset_files.canonical_labels(sha256(SHEET)))
    assert labels.columns.tolist() == ["sample", "label", "subject"]


def test_a_reader_that_is_talked_into_running_something_is_stopped(tmp_path: Path) -> None:
    for payload in ("pickle.loads(pickle.dumps(print))", "os.system('true')", "subprocess.run(['true'])"):
        code = "import os, pickle, subprocess, sys; from jobs.validate import _refuse; "
        code += f"sys.addaudithook(_refuse); {payload}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert "is not for an upload" in done.stderr, payload
