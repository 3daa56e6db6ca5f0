"""No request makes the gateway, or its reader of uploads, open an address or path of the caller's choice."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rnalearner.layout import RunLayout
from service.schemas.datasets import SheetColumn
from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running, running
from tests.service.toy_jobs import TRAIN, put_dataset, report
from tests.service.toy_tables import SAMPLES, sha256, when_validated

HOSTS = (
    "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
    "0", "0.0.0.0", "127.127.127.127", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]", "[fe80::1%25lo]", "user:pass@127.0.0.1", "evil.example@127.0.0.1",
    "127.0.0.1%2f@evil.example", "127.0.0.1#@evil.example", "localtest.me", "127.0.0.1.nip.io",
    "①②⑦.⓪.⓪.①", "LOCALHOST", "localhost.", "169.254.169.254", "metadata.google.internal",
)  # fmt: skip
SCHEMES = (
    "https", "HTTP", "ftp", "ftps", "sftp", "gopher", "dict", "ldap", "tftp", "smb", "ws", "s3", "gs",
    "abfs", "hdfs", "memory", "simplecache::http", "zip://x::http", "git+http", "github", "jdbc:http",
    "jar:http", "netdoc", "view-source:http", "blob:http", "ray", "tcp",
)  # fmt: skip
PATHS = (
    "file:///etc/passwd", "file://localhost/etc/passwd", "file:/etc/passwd", "file:///proc/self/environ",
    "local:///etc/passwd", "/etc/passwd", "../../../../etc/passwd", "..\\..\\windows\\win.ini", "~root/.ssh",
    "\\\\127.0.0.1\\share\\x", "//127.0.0.1/share/x", "data:text/plain,hello", "javascript:alert(1)",
    "php://filter/resource=/etc/passwd", "expect://id", "http:127.0.0.1", "http:/\\127.0.0.1", "{env:HOME}",
    "${RAY_AUTH_TOKEN}", "$(id)", "`id`", "|id", "%2e%2e%2fetc%2fpasswd",
)  # fmt: skip
INERT = frozenset({"column", "positive", "negative", "groups", "licence", "name"})
"""Fields of a recipe that are names: never opened."""


def addresses(port: int) -> list[str]:
    hosts = [f"http://{host}:{port}/canary" for host in HOSTS]
    schemes = [f"{scheme}://127.0.0.1:{port}/canary" for scheme in SCHEMES]
    found = [*hosts, *schemes, *PATHS]
    assert len(set(found)) == len(found) >= 60
    return found


@contextmanager
def canary() -> Iterator[tuple[int, list[Any]]]:
    """A port of this machine, on all of its addresses, and whoever came to it."""
    came: list[Any] = []
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:

        def listen() -> None:
            while True:
                try:
                    line, peer = server.accept()
                except OSError:
                    return
                came.append(peer)
                line.close()

        thread = threading.Thread(target=listen)
        thread.start()
        port = server.getsockname()[1]
        try:
            yield port, came
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def strings(value: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Field and text, however deep; items of a list have their list's field."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item, field)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from strings(item, name)


def test_the_canary_sees_whoever_comes() -> None:
    with canary() as (port, came):
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port)).close()
        for _ in range(200):
            if len(came) == 2:
                break
            threading.Event().wait(0.01)
        assert len(came) == 2


def test_no_field_that_can_be_sent_is_an_address_or_a_path(sqlite_gateway: Running) -> None:
    schema = sqlite_gateway.http.get("/openapi.json").json()
    parts = schema["components"]["schemas"]
    sent = {
        name: part for name, part in parts.items() if name.endswith(("Job", "Params", "Settings", "Create"))
    }
    assert len(sent) > 15
    names = {name for part in sent.values() for name in part.get("properties", {})}
    assert names >= {"train", "model", "recipe", "column", "label"}
    for word in (
        "url",
        "uri",
        "path",
        "file",
        "folder",
        "address",
        "host",
        "href",
        "webhook",
        "endpoint",
        "env",
    ):
        assert not [name for name in names if word in name.lower().split("_")], word
    assert '"format": "uri' not in json.dumps(sent)
    for part in sent.values():
        assert part["additionalProperties"] is False


@pytest.fixture
def roomy(sqlite_url: str, tmp_path: Path) -> Iterator[Running]:
    """A gateway that hands over every job at once."""
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0, max_running=1000)
    with running(settings, FakeCluster(tmp_path / "cluster")) as gateway:
        yield gateway


def test_an_address_is_refused_or_is_no_more_than_text(roomy: Running) -> None:
    gateway, lab = roomy, roomy.lab
    stored: list[tuple[str, str]] = []
    with canary() as (port, came):
        wanted = addresses(port)
        columns = [SheetColumn(name=url, values={url: 6, f"{url}2": 6}, n_values=2) for url in wanted[:200]]
        put_dataset(gateway.database, gateway.settings, found=report(columns=columns))
        for url in wanted:
            for kind, params, status in (
                ("pretrain", {"recipe": url}, 422),
                ("pretrain", {"recipe": "demo", "licence": url}, 202),
                ("linear", {"train": url}, 422),
                ("linear", {"train": TRAIN, "model": url}, 422),
                ("linear", {"train": TRAIN, "column": url, "groups": [url, f"{url}2"]}, 202),
                ("linear", {"train": TRAIN, "column": f"no {url}"}, 422),
                ("predict", {"classifier": url, "dataset": TRAIN}, 422),
                ("scout", {"pretraining": url}, 422),
                ("explore", {"datasets": [url]}, 422),
                ("finetune", {"train": TRAIN, "settings": {"head": url}}, 422),
                ("finetune", {"train": TRAIN, "tuned_by": url}, 422),
            ):
                answer = lab.post("/v1/jobs", json={"kind": kind, "label": url[:120], "params": params})
                assert answer.status_code == status, (url, params, answer.text)
                if status == 202:
                    stored.append((answer.json()["id"], url))
            for kind in (url, "pretrain:" + url):
                assert lab.post("/v1/jobs", json={"kind": kind, "params": {}}).status_code == 422
            assert lab.post("/v1/keys", json={"owner": url}).status_code == 422
            assert lab.post("/v1/keys", json={"owner": "moon", "name": url[:120]}).status_code == 201
            body = f"no table {url}".encode()
            path = f"/v1/datasets/{sha256(body)}"
            assert lab.put(path, content=body, params={"name": url}).json()["name"] == url
            assert lab.delete(path).status_code == 204  # else the reader has all of them to read
            assert lab.get("/v1/models/" + url.replace("/", "%2F")).status_code in (400, 404, 405, 422)
            assert lab.get(
                "/v1/me", headers={"X-Forwarded-Host": url.encode(), "Referer": url.encode()}
            ).is_success
        check_recipes(gateway, stored)
        check_sheet(gateway, wanted)
    assert came == []


def check_recipes(gateway: Running, stored: list[tuple[str, str]]) -> None:
    """What a job is told holds the text as a name, and nowhere else."""
    n_found = 0
    for job, url in stored:
        submission = gateway.fake.wait_for(f"{job}-1", 120)
        assert url not in submission.words
        recipe = json.loads(RunLayout(gateway.settings.jobs / job).recipe.read_text())
        for field, text in strings(recipe):
            if url in text:
                n_found += 1
                assert field in INERT, (field, text)
    assert n_found >= len(stored)


def check_sheet(gateway: Running, wanted: list[str]) -> None:
    """Addresses as names of samples, genes, columns and labels: the reader of uploads goes nowhere."""
    quoted = ['"' + url.replace('"', '""') + '"' for url in wanted]
    genes = [f"ENSMUSG{number:011d}" for number in range(40)]
    rows = [
        ",".join([gene, *(str(1 + (number * 7) % 50) for number in range(6))]) for gene in (*genes, *quoted)
    ]
    body = "\n".join([",".join(["gene", *quoted[:6]]), *rows, ""]).encode()
    path = f"/v1/datasets/{sha256(body)}"
    assert gateway.lab.put(path, content=body).status_code == 201
    lines = [",".join(["sample", *quoted[:20]])]
    lines += [",".join([name, *quoted[20:40]]) for name in (*quoted[:6], *SAMPLES)]
    assert gateway.lab.put(f"{path}/labels", content="\n".join(lines).encode()).status_code == 200
    assert when_validated(gateway.lab, path, 300)["state"] in ("READY", "REJECTED")
