"""What no honest client sends, byte by byte: heads without end, bodies in crumbs, readers who do not read."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.responses import FileResponse

from service.settings import Settings
from service.web import connection
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Running, running
from tests.service.toy_tables import wait_until

Answer = tuple[int, dict[str, str], bytes]
HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def connected(gateway: Running) -> socket.socket:
    url = gateway.http.base_url
    return socket.create_connection((url.host, url.port), timeout=20)


def send(line: socket.socket, pieces: list[bytes]) -> None:
    for piece in pieces:
        try:
            line.sendall(piece)
        except OSError:  # refused before all of it was there
            return


def answer_of(line: socket.socket) -> Answer:
    with line.makefile("rb") as read:
        status = int(read.readline().split()[1])
        headers = {name.lower(): value for name, value in http.client.parse_headers(read).items()}
        return status, headers, read.read(int(headers.get("content-length", 0)))


def said(gateway: Running, *pieces: bytes) -> Answer:
    with connected(gateway) as line:
        send(line, list(pieces))
        return answer_of(line)


def is_problem(answer: Answer, status: int) -> str:
    """The problem's sentence."""
    assert answer[0] == status, answer
    assert answer[1]["content-type"] == "application/problem+json"
    problem = json.loads(answer[2])
    assert problem["status"] == status
    return str(problem["detail"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, small: Running) -> Running:
    """The same, with a look at each connection twenty times a second."""
    monkeypatch.setattr(connection, "TICK_S", 0.05)
    return small


@pytest.fixture
def small(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A gateway with six places, and all patience."""
    monkeypatch.setattr(connection, "TICK_S", 3600.0)
    settings = Settings(data=tmp_path / "data", database_url=sqlite_url, min_free_mb=0, max_connections=6)
    with running(settings, FakeCluster(tmp_path / "cluster")) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("status", "head"),
    [
        (431, HEAD + b"X: " + b"x" * 2**20 + b"\r\n\r\n"),
        (431, HEAD + b"X: " + b"x" * 2**20),
        (431, HEAD + b"x" * 2**20),
        (431, HEAD + b"X: " + b"x" * 40_000 + b"\r\n\r\n"),
        (431, HEAD + b"X: x\r\n" * 200 + b"\r\n"),
        (431, HEAD + b"Range: bytes=" + b"0-1," * 10_000 + b"2-3\r\n\r\n"),
        (414, b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        (414, b"GET /healthz?" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        (431, b"GET /" + b"x" * 2**20),
        (400, b"GET /healthz HTTP/1.1\r\n\r\n"),
        (400, HEAD + b"Host: x\r\n\r\n"),
        (400, HEAD + b"Host: y\r\n\r\n"),
        (400, b"\x16\x03\x01\x02\x00\x01\x00"),
        (400, b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n"),
        (400, HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        (400, HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
        (400, HEAD + b"Bad Name: x\r\n\r\n"),
        (200, HEAD + b"X: " + b"x" * 10_000 + b"\r\n\r\n"),
        (200, b"GET /healthz HTTP/1.0\r\n\r\n"),
    ],
    ids=lambda part: part[:40].decode(errors="replace") if isinstance(part, bytes) else str(part),
)
def test_a_head_has_limits(sqlite_gateway: Running, status: int, head: bytes) -> None:
    answer = said(sqlite_gateway, *(head[start : start + 9000] for start in range(0, len(head), 9000)))
    if status == 200:
        assert answer[0] == 200
    else:
        assert is_problem(answer, status).endswith(".")


def test_many_ranges_of_a_file_are_no_work(sqlite_gateway: Running, tmp_path: Path) -> None:
    (tmp_path / "ten").write_bytes(b"0123456789")
    sqlite_gateway.app.add_api_route("/ranges", lambda: FileResponse(tmp_path / "ten"))
    for ranges in ("0-0," * 7000 + "1-1", ",".join(f"{n}-{n + 9}" for n in range(3000))):
        answer = sqlite_gateway.http.get("/ranges", headers={"Range": f"bytes={ranges}"})
        assert answer.status_code in (200, 206, 400, 416)
        assert len(answer.content) < 2**20


@pytest.mark.parametrize("name", ["gateway.lab", "gateway.lab:8440", "Other.Lab", "127.0.0.1"])
def test_only_the_hosts_that_the_operator_names_are_answered(
    sqlite_url: str, tmp_path: Path, name: str
) -> None:
    settings = Settings(
        data=tmp_path / "data", database_url=sqlite_url, allowed_hosts="gateway.lab, other.lab,127.0.0.1"
    )
    with running(settings, FakeCluster(tmp_path / "cluster")) as gateway:
        assert gateway.http.get("/healthz", headers={"Host": name}).status_code == 200
        for other in ("evil.example", "gateway.lab.evil.example", "gateway.lab@evil.example", ""):
            answer = gateway.http.get("/healthz", headers={"Host": other})
            assert (answer.status_code, answer.json()["type"]) == (400, "urn:rnalearner:bad-host")


def test_a_form_of_a_million_fields_is_refused_unread(sqlite_gateway: Running) -> None:
    fields = b"&".join(b"a%d=1" % number for number in range(1_000_000))
    header = {"Content-Type": "application/x-www-form-urlencoded"}
    for path, status in (("/v1/jobs", 413), ("/v1/keys", 413), ("/v1/datasets", 415)):
        answer = sqlite_gateway.lab.post(path, content=fields, headers=header)
        assert answer.status_code == status, answer.text
    # What fits is no JSON.
    answer = sqlite_gateway.lab.post("/v1/jobs", content=fields[:1_000_000], headers=header)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "form",
    [
        b"preamble " * 2**20,
        b"\r\n" * 2**22,
        b"--b\r\n" + b"X: x\r\n" * 2**20,
        b"--b\r\nX: " + b"x" * 2**23,
        b"--b\r\n\r\n" * 2**18,
    ],
    ids=lambda form: form[:12],
)
def test_a_form_that_never_comes_to_its_file_is_refused(sqlite_gateway: Running, form: bytes) -> None:
    header = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = sqlite_gateway.lab.post("/v1/datasets", content=form, headers=header)
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "urn:rnalearner:malformed-form"


def upload(gateway: Running, *headers: bytes) -> bytes:
    key = gateway.lab.key.encode()
    lines = [b"PUT /v1/datasets/" + b"0" * 64 + b" HTTP/1.1", b"Host: x", b"Authorization: Bearer " + key]
    return b"\r\n".join([*lines, *headers, b"", b""])


@pytest.mark.parametrize(
    "crumbs",
    [
        b"1;" + b"x" * 2**20,
        b"1;x=" + b"y" * 40 + b"\r\nz\r\n",
        b"0\r\n" + b"X: x\r\n" * 2**17,
        b"0\r\nX: " + b"x" * 2**20,
    ],
    ids=lambda crumbs: crumbs[:10],
)
def test_chunks_of_almost_nothing_come_to_an_end(sqlite_gateway: Running, crumbs: bytes) -> None:
    head = upload(sqlite_gateway, b"Transfer-Encoding: chunked")
    wire = crumbs * (2**20 // len(crumbs) + 1)
    answer = said(sqlite_gateway, head, *(wire[start : start + 9000] for start in range(0, len(wire), 9000)))
    assert "next to nothing" in is_problem(answer, 400)


def test_the_smallest_honest_chunks_are_taken(sqlite_gateway: Running) -> None:
    head = upload(sqlite_gateway, b"Transfer-Encoding: chunked")
    answer = said(sqlite_gateway, head, b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
    assert "has the sha256" in is_problem(answer, 422)


def trickle(line: socket.socket, piece: bytes) -> Answer:
    """A piece now and then, until the other side has had enough."""
    line.settimeout(0.02)
    for _ in range(1000):
        try:
            line.sendall(piece)
            if line.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    line.settimeout(20)
    return answer_of(line)


def test_the_end_of_one_body_is_no_part_of_the_next_request(
    sqlite_gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_HEAD", 1 << 10)  # so that the server reads both at once
    first = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n"
    second = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
    with connected(sqlite_gateway) as line:
        send(line, [first])
        assert answer_of(line)[0] == 200
        send(line, [b"x" * 9000 + second])
        assert answer_of(line)[0] == 200
        send(line, [b"x" + HEAD + b"\r\n"])
        assert answer_of(line)[0] == 200


def test_a_head_that_trickles_is_given_up(quick: Running) -> None:
    with connected(quick) as line:
        line.sendall(HEAD)
        assert "too long" in is_problem(trickle(line, b"X: x\r\n"), 408)
        assert line.recv(1) == b""


def test_whoever_says_nothing_at_all_is_let_go(quick: Running) -> None:
    with connected(quick) as line:
        is_problem(answer_of(line), 408)
    with connected(quick) as line:  # nor do empty lines keep a connection for ever
        line.sendall(HEAD + b"\r\n")
        assert answer_of(line)[0] == 200
        is_problem(trickle(line, b"\r\n"), 408)


def test_a_body_that_trickles_is_given_up(quick: Running) -> None:
    for headers in ((b"Content-Length: 1000000",), (b"Transfer-Encoding: chunked",)):
        with connected(quick) as line:
            line.sendall(upload(quick, *headers))
            assert "too long" in is_problem(trickle(line, b"1\r\nx\r\n"), 408)
    wait_until(lambda: list(quick.settings.uploads.glob("*/.incoming-*")) == [])
    with connected(quick) as line:  # an answer was given; the rest of the body is not waited for
        line.sendall(upload(quick, b"Content-Length: 10000000000"))
        is_problem(answer_of(line), 413)
        is_problem(trickle(line, b"x"), 408)


def is_reset(line: socket.socket) -> bool:
    """Without reading what may have come."""
    try:
        line.sendall(b"\r\n")
    except OSError:
        return True
    time.sleep(0.3)
    return False


def test_what_follows_the_body_is_no_header(sqlite_gateway: Running) -> None:
    key = sqlite_gateway.lab.key.encode()
    head = b"GET /v1/me HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = said(sqlite_gateway, head + b"0\r\nAuthorization: Bearer " + key + b"\r\n\r\n")
    is_problem(answer, 401)


def test_a_reader_who_takes_nothing_is_let_go(quick: Running, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**26)  # more than the kernel takes in their stead
    quick.app.add_api_route("/large", lambda: FileResponse(tmp_path / "large"))
    with connected(quick) as line:
        line.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: is_reset(line))
    assert len(quick.http.get("/large").content) == 2**26


def test_whoever_waits_for_news_is_not_let_go(quick: Running) -> None:
    quick.fake.unreachable()
    job = quick.lab.post("/v1/jobs", json={"kind": "pretrain", "params": {"recipe": "demo"}}).json()["id"]
    with connected(quick) as line:
        key = quick.lab.key.encode()
        path = b"GET /v1/jobs/" + job.encode() + b"/events HTTP/1.1\r\nHost: x\r\n"
        line.sendall(path + b"Accept: text/event-stream\r\nAuthorization: Bearer " + key + b"\r\n\r\n")
        with line.makefile("rb") as read:
            assert read.readline() == b"HTTP/1.1 200 OK\r\n"
            time.sleep(0.05 * 2 * max(connection.MOST_LOOKS.values()))
            quick.lab.post(f"/v1/jobs/{job}:cancel")
            assert any(b'"STOPPED"' in line for line in read)


def test_where_all_places_are_taken_whoever_dawdles_makes_room(small: Running) -> None:
    lines = [connected(small) for _ in range(5)]
    try:
        for line in lines:
            line.sendall(HEAD)
        assert [small.http.get("/healthz").status_code for _ in range(3)] == [200] * 3
        newcomers = [said(small, HEAD + b"Connection: close\r\n\r\n")[0] for _ in range(5)]
        assert newcomers == [200] * 5
        assert "most that it may have" in is_problem(answer_of(lines[0]), 503)
    finally:
        for line in lines:
            line.close()
