"""`rnalearner serve` and `rnalearner key`, as an operator starts them."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

NOBODY = "http://127.0.0.1:9"
"""No cluster answers there; the gateway starts all the same."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "RNALEARNER_"))}
    (tmp_path / "home").mkdir()
    kept.pop("XDG_CONFIG_HOME", None)
    return kept | {"HOME": str(tmp_path / "home"), "NO_COLOR": "1"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "home" / ".config" / "rnalearner" / "client.toml"


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start `rnalearner` with these words; what still runs at the end is killed."""
    started = []

    def run(*words: object) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.cli", *map(str, words)],
            env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def _announced(process: "subprocess.Popen[str]") -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.fail(f"it did not start: {process.communicate()[1]}")
    announced: dict[str, Any] = json.loads(line)
    return announced


def _ended(process: "subprocess.Popen[str]", *, by: signal.Signals | None = None) -> tuple[int, str]:
    """Exit code and what it printed on standard error."""
    if by is not None:
        process.send_signal(by)
    _, printed = process.communicate(timeout=60)
    return process.returncode, printed


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_a_private_folder_and_a_key_that_the_client_finds(
    start: Start, data: Path, config: Path
) -> None:
    words = ("serve", "--data", data, "--port", 0, "--ray-address", NOBODY, "--json")
    first = start(*words)
    announced = _announced(first)
    url = announced["url"]
    assert announced["first_key"] == str(config)
    client = tomllib.loads(config.read_text())
    assert client["server"] == url
    assert (_mode(config), _mode(data)) == (0o600, 0o700)
    me = httpx.get(f"{url}/v1/me", headers={"Authorization": f"Bearer {client['key']}"}).json()
    assert (me["owner"], me["scopes"]) == ("local", ["admin", "read", "train", "write"])
    ready = httpx.get(f"{url}/readyz")
    assert ready.status_code == 503
    assert "cluster" in ready.text
    code, printed = _ended(first, by=signal.SIGTERM)
    assert code == 0
    assert "warning: Ray at http://127.0.0.1:9: does not answer" in printed

    again = start(*words)
    announced = _announced(again)
    url = announced["url"]
    assert announced["first_key"] is None
    assert tomllib.loads(config.read_text()) == client
    assert httpx.get(f"{url}/v1/me", headers={"Authorization": f"Bearer {client['key']}"}).is_success
    assert _ended(again, by=signal.SIGINT)[0] == 0


def test_a_config_file_that_is_there_is_left_alone_and_the_key_kept_beside_the_data(
    start: Start, data: Path, config: Path
) -> None:
    config.parent.mkdir(parents=True)
    config.write_text('server = "https://elsewhere"\n')
    process = start("serve", "--data", data, "--port", 0, "--ray-address", NOBODY)
    assert process.stdout is not None
    assert "http://127.0.0.1:" in process.stdout.readline()
    assert str(data / "first-key") in process.stdout.readline()
    assert config.read_text() == 'server = "https://elsewhere"\n'
    assert (data / "first-key").read_text().startswith("rnal_")
    assert _mode(data / "first-key") == 0o600
    _ended(process, by=signal.SIGTERM)


def test_one_folder_has_one_gateway(start: Start, data: Path) -> None:
    words = ("serve", "--data", data, "--port", 0, "--ray-address", NOBODY, "--json")
    first = start(*words)
    pid = _announced(first)["pid"]
    code, printed = _ended(start(*words))
    assert code == 5
    assert f"another gateway runs on this folder (process {pid})" in printed
    first.kill()
    first.wait()
    assert _announced(start(*words))["pid"] != pid


def test_a_port_that_is_taken_is_one_sentence(start: Start, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, printed = _ended(start("serve", "--data", data, "--port", port, "--ray-address", NOBODY))
    assert code == 5
    assert printed.startswith(f"error: 127.0.0.1:{port}: cannot be listened on")
    assert "Traceback" not in printed


def test_a_database_that_does_not_answer_is_one_sentence_without_its_password(
    start: Start, data: Path
) -> None:
    url = "postgresql://lab:secret@127.0.0.1:9/rnalearner"
    code, printed = _ended(
        start("serve", "--data", data, "--port", 0, "--ray-address", NOBODY, "--database-url", url)
    )
    assert code == 5
    assert "error: postgresql://lab:***@127.0.0.1:9/rnalearner: " in printed
    assert "secret" not in printed


@pytest.mark.parametrize(
    "words", [("--port", "99999"), ("--max-running", "0"), ("--database-url", "mysql://x/y")]
)
def test_a_setting_out_of_range_names_the_option(start: Start, words: tuple[str, str]) -> None:
    code, printed = _ended(start("serve", *words))
    assert code == 3
    assert printed.startswith(f"error: {words[0]} or RNALEARNER_")


@contextmanager
def _open_cluster() -> Iterator[str]:
    """As Ray without a token: it tells anybody about jobs."""

    class Jobs(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/api/jobs/"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(b"[]" if known else b"no such job")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Jobs)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_cluster_that_obeys_anybody_is_refused_at_the_start(start: Start, data: Path) -> None:
    with _open_cluster() as address:
        code, printed = _ended(start("serve", "--data", data, "--port", 0, "--ray-address", address))
    assert code == 1
    assert "runs anybody's code" in printed
    assert "RAY_AUTH_MODE=token" in printed


def test_keys_are_made_listed_and_revoked_beside_a_running_gateway(start: Start, data: Path) -> None:
    gateway = start("serve", "--data", data, "--port", 0, "--ray-address", NOBODY, "--json")
    url = _announced(gateway)["url"]

    def key(*words: object) -> Any:
        process = start("key", *words, "--data", data)
        printed, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return json.loads(printed) if printed else None

    made = key("create", "moon", "--scope", "read", "--days", 3, "--json")
    header = {"Authorization": f"Bearer {made['key']}"}
    assert httpx.get(f"{url}/v1/me", headers=header).json()["owner"] == "moon"
    assert made["id"] in {known["id"] for known in key("list", "--json")["items"]}
    key("revoke", made["id"])
    end = time.monotonic() + 10
    while httpx.get(f"{url}/v1/me", headers=header).status_code != 401:
        assert time.monotonic() < end, "it still opens"
        time.sleep(0.1)


def test_key_commands_say_what_is_wrong(start: Start, data: Path) -> None:
    code, printed = _ended(start("key", "list", "--data", data))
    assert (code, "holds no gateway's data" in printed) == (3, True)
    assert not data.exists()
    code, printed = _ended(start("key", "create", "Not Good", "--data", data))
    assert (code, printed.startswith("error: owner: ")) == (3, True)


@pytest.mark.ray
@pytest.mark.slow
def test_the_ray_that_it_runs_becomes_ready_and_ends_with_it(start: Start, data: Path) -> None:
    gateway = start("serve", "--data", data, "--port", 0, "--num-cpus", 1, "--json")
    url = _announced(gateway)["url"]
    end = time.monotonic() + 90
    while httpx.get(f"{url}/readyz").status_code != 200:
        assert time.monotonic() < end, httpx.get(f"{url}/readyz").text
        time.sleep(0.2)
    folder = json.loads((data / "ray" / "ray.json").read_text())["folder"]
    assert _processes_of(folder)
    assert _ended(gateway, by=signal.SIGTERM)[0] == 0
    assert not _processes_of(folder)


def _processes_of(folder: str) -> list[str]:
    """Those that carry the folder's name in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if folder.encode() in path.read_bytes():
                found.append(path.parent.name)
    return found
