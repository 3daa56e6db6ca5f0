"""Downloads over real HTTP, from a server that misbehaves."""

import gzip
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from rnalearner.errors import FetchError
from rnalearner.fetch import retry
from rnalearner.fetch.connection import Limits
from rnalearner.fetch.download import Wanted, download, published_sums
from rnalearner.fetch.ledger import LEDGER, Entry, Ledger
from tests.mirror import Fault, Mirror, mirror

ROOT = Path(__file__).parents[3]
QUICK = Limits(at_once=4, read_timeout_s=1.0, tries=3)


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch):
    monkeypatch.setattr(retry, "BASE_WAIT_S", 0.01)


@pytest.fixture
def server(tmp_path):
    """Four files of a few hundred kilobytes, one of them no gzip."""
    folder = tmp_path / "served"
    folder.mkdir()
    for number in range(3):
        data = gzip.compress(random.Random(number).randbytes(300_000), 1, mtime=0)
        (folder / f"{number}.gz").write_bytes(data)
    (folder / "sub").mkdir()
    (folder / "sub" / "table.csv").write_text("a,b\n" * 50_000)
    with mirror(folder) as running:
        yield running


def bring(server: Mirror, to: Path, *names: str, limits: Limits = QUICK, **options):
    names = names or ("0.gz", "1.gz", "2.gz", "sub/table.csv")
    sums = published_sums(server.address, limits) if server.sums else {}
    return download(
        [Wanted(name, server.address + name, sums.get(name)) for name in names], to, limits, **options
    )


def same(server: Mirror, to: Path, *names: str) -> bool:
    return all((to / name).read_bytes() == (server.folder / name).read_bytes() for name in names)


def hidden(to: Path) -> list[str]:
    return sorted(path.name for path in to.rglob(".*"))


def test_files_come_whole_with_their_sums_in_the_ledger(server, tmp_path):
    shown = []
    delivered = bring(server, tmp_path / "m", progress=lambda *numbers: shown.append(numbers))
    assert same(server, tmp_path / "m", *delivered.files)
    for name, entry in delivered.files.items():
        data = (server.folder / name).read_bytes()
        assert (entry.n_bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert Ledger(tmp_path / "m").entry(name) == entry
    assert shown[-1] == (4, 4, delivered.n_bytes)
    assert delivered.n_bytes == sum(entry.n_bytes for entry in delivered.files.values())
    assert hidden(tmp_path / "m") == []


def test_what_is_there_already_is_not_asked_for_again(server, tmp_path):
    bring(server, tmp_path / "m")
    server.requests.clear()
    delivered = bring(server, tmp_path / "m")
    assert (delivered.n_cached, delivered.n_bytes, server.requests) == (4, 0, [])


@pytest.mark.parametrize("harm", ["other byte, same size and time", "cut", "removed"])
def test_a_file_that_is_not_what_the_ledger_says_is_downloaded_again(server, tmp_path, harm):
    bring(server, tmp_path / "m")
    path = tmp_path / "m" / "1.gz"
    stat, data = path.stat(), path.read_bytes()
    if harm == "removed":
        path.unlink()
    else:
        path.write_bytes(data[:99] if harm == "cut" else data[:99] + b"?" + data[100:])
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    delivered = bring(server, tmp_path / "m")
    assert delivered.n_cached == 3
    assert same(server, tmp_path / "m", "1.gz")


def test_a_connection_that_breaks_is_gone_on_with_from_where_it_broke(server, tmp_path):
    server.faults["0.gz"] = Fault(cut=1)
    bring(server, tmp_path / "m", "0.gz")
    first, second = server.asked("0.gz")
    half = (server.folder / "0.gz").stat().st_size // 2
    assert (first.range, second.range) == (None, f"bytes={half}-")
    assert second.if_range
    assert same(server, tmp_path / "m", "0.gz")


def test_a_server_without_ranges_is_asked_for_the_whole_again(server, tmp_path):
    server.faults["0.gz"], server.ranges = Fault(cut=1), False
    bring(server, tmp_path / "m", "0.gz")
    assert len(server.asked("0.gz")) == 2
    assert same(server, tmp_path / "m", "0.gz")


@pytest.mark.parametrize("name", ["0.gz", "sub/table.csv"])
def test_half_a_file_without_a_tag_or_a_checksum_is_not_gone_on_with(server, tmp_path, name):
    server.faults[name], server.tags = Fault(cut=1), name != "0.gz"
    bring(server, tmp_path / "m", name)
    assert [request.range for request in server.asked(name)] == [None, None]
    assert same(server, tmp_path / "m", name)


def test_a_file_that_changed_meanwhile_is_not_glued_together(server, tmp_path):
    server.faults["0.gz"] = Fault(cut=5)
    with pytest.raises(FetchError, match="broke off"):
        bring(server, tmp_path / "m", "0.gz", limits=Limits(tries=1))
    (server.folder / "0.gz").write_bytes((server.folder / "1.gz").read_bytes())
    server.faults.clear()
    bring(server, tmp_path / "m", "0.gz")
    assert server.asked("0.gz")[-1].range is not None
    assert same(server, tmp_path / "m", "0.gz")


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_busy_server_is_asked_again(server, tmp_path, status):
    server.faults["*"] = Fault(unavailable=3, status=status)
    bring(server, tmp_path / "m", limits=Limits(at_once=2, tries=4))
    assert same(server, tmp_path / "m", "0.gz", "1.gz", "2.gz", "sub/table.csv")
    assert len(server.requests) == 7


def test_who_says_when_to_come_back_is_left_alone_until_then_by_all(server, tmp_path):
    server.faults["0.gz"] = Fault(unavailable=1, status=429, retry_after="1")
    bring(server, tmp_path / "m", "0.gz", "1.gz", "2.gz", limits=Limits(at_once=1))
    refused, *later = server.requests
    assert all(request.at_s - refused.at_s > 0.95 for request in later)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(unavailable=99), r"0.gz: answers 503, after 3 tries; run the same command again"),
        (Fault(cut=99, piece_bytes=1), r"0.gz: the connection broke off \(.*\), after 3 tries"),
        (Fault(understated=99), r"0.gz: its gzip data are cut short, after 3 tries"),
        (Fault(corrupted=99), r"0.gz: its gzip data are corrupted, after 3 tries"),
        (Fault(pause_s=1.5), r"0.gz: does not answer within 0.5 s, after 3 tries"),
        (Fault(pause_s=0.3, piece_bytes=10), r"0.gz: sends \d+ bytes a second, after 3 tries"),
        (Fault(unavailable=99, status=401), r"0.gz: answers 401; check the address"),
    ],
    ids=lambda value: "" if isinstance(value, Fault) else value,
)
def test_a_file_that_cannot_be_had_is_named_with_the_reason_and_the_others_come(
    server, tmp_path, fault, says
):
    server.faults["0.gz"], server.ranges = fault, False
    with pytest.raises(FetchError, match=says):
        bring(server, tmp_path / "m", limits=Limits(at_once=4, read_timeout_s=0.5, tries=3))
    assert same(server, tmp_path / "m", "1.gz", "2.gz", "sub/table.csv")
    assert not (tmp_path / "m" / "0.gz").exists()


@pytest.mark.parametrize("fault", [Fault(corrupted=1), Fault(understated=1), Fault(pause_s=0.05)], ids=repr)
def test_a_fault_that_passes_leaves_no_trace(server, tmp_path, fault):
    server.faults["0.gz"] = fault
    bring(server, tmp_path / "m")
    assert same(server, tmp_path / "m", "0.gz", "1.gz", "2.gz", "sub/table.csv")
    assert hidden(tmp_path / "m") == []


def test_published_sums_are_compared(server, tmp_path):
    server.sums = True
    assert len(bring(server, tmp_path / "m").files) == 4
    server.wrong_sums = True
    with pytest.raises(FetchError, match=r"its sha256 is \w{12}\.\., the published one \w{12}\.\., after 3"):
        bring(server, tmp_path / "n", "sub/table.csv")
    assert not (tmp_path / "n" / "sub" / "table.csv").exists()


def test_a_copy_laid_there_by_hand_is_taken_where_its_sum_is_the_published_one(server, tmp_path):
    server.sums = True
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "0.gz").write_bytes((server.folder / "0.gz").read_bytes())
    (tmp_path / "m" / "1.gz").write_bytes(b"something else")
    delivered = bring(server, tmp_path / "m")
    assert delivered.n_cached == 1
    assert not server.asked("0.gz")
    assert same(server, tmp_path / "m", "0.gz", "1.gz")


def test_what_the_server_does_not_have_is_told_apart(server, tmp_path):
    delivered = bring(server, tmp_path / "m", "0.gz", "no/such.gz")
    assert (list(delivered.files), delivered.absent) == (["0.gz"], {"no/such.gz": "answers 404"})
    assert hidden(tmp_path / "m") == []


def test_no_server_at_all_is_one_sentence(tmp_path):
    wanted = [Wanted(f"{number}.gz", f"http://127.0.0.1:9/{number}.gz") for number in range(40)]
    with pytest.raises(FetchError, match=r"the connection broke off \(.*refused.*\), after 3 tries"):
        download(wanted, tmp_path, QUICK)


def test_requests_a_second_are_bounded_over_all_threads(server, tmp_path):
    bring(server, tmp_path / "m", limits=Limits(at_once=4, requests_per_s=10))
    times = sorted(request.at_s for request in server.requests)
    assert all(after - before > 0.08 for before, after in pairwise(times))


def test_bytes_a_second_are_bounded(server, tmp_path):
    begun = time.monotonic()
    delivered = bring(server, tmp_path / "m", "0.gz", "1.gz", limits=Limits(at_once=2, bytes_per_s=600_000))
    assert delivered.n_bytes / (time.monotonic() - begun) < 660_000


DOWNLOAD = """
import sys
from pathlib import Path
from rnalearner.fetch.connection import Limits
from rnalearner.fetch.download import Wanted, download
address, to, *names = sys.argv[1:]
download([Wanted(name, address + name) for name in names], Path(to), Limits(at_once=2, tries=2))
"""


def start(server: Mirror, to: Path, *names: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-c", DOWNLOAD, server.address, str(to), *names]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


def test_a_download_killed_in_the_middle_goes_on_from_there(server, tmp_path):
    server.faults["0.gz"] = Fault(pause_s=0.05, piece_bytes=10_000)
    process = start(server, tmp_path / "m", "0.gz", "1.gz")
    part = tmp_path / "m" / ".0.gz.part"
    while not (part.exists() and part.stat().st_size > 100_000 and (tmp_path / "m" / "1.gz").exists()):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    came = part.stat().st_size
    assert not (tmp_path / "m" / "0.gz").exists()
    server.faults.clear()
    server.requests.clear()
    bring(server, tmp_path / "m", "0.gz", "1.gz")
    assert [(request.path, request.range) for request in server.requests] == [("0.gz", f"bytes={came}-")]
    assert same(server, tmp_path / "m", "0.gz", "1.gz")


def test_two_processes_fill_one_mirror_and_each_file_is_asked_for_once(server, tmp_path):
    names = ("0.gz", "1.gz", "2.gz", "sub/table.csv")
    server.faults["*"] = Fault(pause_s=0.03, piece_bytes=20_000)
    both = [start(server, tmp_path / "m", *names) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert same(server, tmp_path / "m", *names)
    assert sorted(request.path for request in server.requests) == sorted(names)
    assert len((tmp_path / "m" / LEDGER).read_text().splitlines()) == 4
    for process in both:
        process.communicate()


def test_a_full_disk_is_one_sentence_and_goes_on_when_there_is_space(server, tmp_path):
    limited = f"ulimit -f 100; exec {sys.executable} -c '{DOWNLOAD}' {server.address} {tmp_path / 'm'} 0.gz"
    ended = subprocess.run(["bash", "-c", limited], cwd=ROOT, capture_output=True, text=True, check=False)
    last = ended.stderr.splitlines()[-1]
    assert "there is no space left on the disk for 0.gz; make room and run the same command again" in last
    assert not (tmp_path / "m" / "0.gz").exists()
    bring(server, tmp_path / "m", "0.gz")
    assert server.asked("0.gz")[-1].range == f"bytes={100 * 1024}-"
    assert same(server, tmp_path / "m", "0.gz")


def test_half_a_line_in_the_ledger_costs_that_line_only(tmp_path):
    ledger = Ledger(tmp_path)
    entries = [Entry(f"{name}.gz", 1, "0" * 64, "http://a/", "2024-01-01") for name in "abc"]
    ledger.add(entries[0])
    with ledger.path.open("a") as file:
        file.write('{"path": "b.gz", "n_by')
    ledger.add(entries[2])
    assert [Ledger(tmp_path).entry(entry.path) for entry in entries] == [entries[0], None, entries[2]]
    assert ledger.entry("c.gz") == entries[2]
