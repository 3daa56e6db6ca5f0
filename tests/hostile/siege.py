"""A live gateway to which hostile files are posted; what it answers, and what reading them took."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import select

from service.problems import MEDIA_TYPE
from service.settings import Settings
from service.store.database import Database
from service.store.tables import keys
from tests.hostile.canaries import Canaries
from tests.hostile.files import HostileFile
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import Caller, Live, make_key
from tests.service.toy_tables import sha256, table, when_validated

MIB = 2**20
_EVERY_S = 0.02
_PATIENCE_S = 300


@dataclass(frozen=True)
class Answer:
    """What a gateway said of one hostile file."""

    file: HostileFile
    status: int
    is_problem: bool
    """application/problem+json."""
    detail: str
    seconds: float
    """As its sender waits."""
    leaks: int
    """Words from outside the jail in the answer."""

    @property
    def refused(self) -> bool:
        return 400 <= self.status < 500 and self.is_problem

    @property
    def names_the_fault(self) -> bool:
        return re.search(self.file.says, self.detail, re.IGNORECASE) is not None


class Siege:
    """Posts to one gateway. Its methods may be called by several threads at once."""

    def __init__(self, live: Live, caller: Caller, canaries: Canaries, words: list[str]) -> None:
        assert live.process is not None
        self.caller, self.canaries = caller, canaries
        self._live, self._words = live, words
        self.pid = live.process.pid

    def post(self, file: HostileFile) -> Answer:
        """Have it validated."""
        body, sheet = file.body, file.sheet
        parts = {"file": (file.name, body)} | ({} if sheet is None else {"labels": ("labels.csv", sheet)})
        begun = time.monotonic()
        answer = self.caller.post(
            "/v1/datasets:validate", files=parts, data={"name": file.name}, timeout=_PATIENCE_S
        )
        return self._judged(file, answer, time.monotonic() - begun)

    def store(self, file: HostileFile) -> Answer:
        """Upload it for good, with its sheet; 422 stands for a dataset that became REJECTED."""
        body, sheet = file.body, file.sheet
        path, begun = f"/v1/datasets/{sha256(body)}", time.monotonic()
        answer = self.caller.put(path, content=body, timeout=_PATIENCE_S)
        if answer.is_success and sheet is not None:
            answer = self.caller.put(f"{path}/labels", content=sheet, timeout=_PATIENCE_S)
        if not answer.is_success:
            return self._judged(file, answer, time.monotonic() - begun)
        shown = when_validated(self.caller, path, _PATIENCE_S)
        answer, problem = self.caller.get(path), shown["problem"]
        self.caller.delete(path)
        said = "" if problem is None else f"{problem['where']}: {problem['what']}; {problem['remedy']}."
        rejected = shown["state"] == "REJECTED" and problem is not None
        status = 422 if rejected else answer.status_code
        seconds = time.monotonic() - begun
        return Answer(file, status, rejected, said, seconds, self._leaks(answer))

    def is_unharmed(self) -> bool:
        """The same process gives an honest table its report, and nothing outside the jail has changed."""
        honest = self.caller.post("/v1/datasets:validate", files={"file": table()}, timeout=_PATIENCE_S)
        told = honest.status_code == 200 and honest.json()["n_genes"] == 40
        return told and self.canaries.unharmed() and not self.has_restarted()

    def has_restarted(self) -> bool:
        process = self._live.process
        return process is None or process.pid != self.pid or process.poll() is not None

    def _judged(self, file: HostileFile, answer: httpx.Response, seconds: float) -> Answer:
        is_problem = answer.headers.get("content-type", "").startswith(MEDIA_TYPE)
        detail = str(answer.json().get("detail", "")) if is_problem else answer.text[:300]
        return Answer(file, answer.status_code, is_problem, detail, seconds, self._leaks(answer))

    def _leaks(self, answer: httpx.Response) -> int:
        told = answer.content + b"\n".join(name + b": " + value for name, value in answer.headers.raw)
        return sum(word.encode() in told for word in self._words)


@contextmanager
def besieged(folder: Path) -> Iterator[Siege]:
    """A gateway in a process of its own, with everything that it has in `folder`.

    What must never come back: the canaries' word, the name of another owner's sample, hashes of keys, this
    machine's first user, and where the gateway keeps its data.
    """
    outside = folder / "outside"
    outside.mkdir()
    genes = folder / "genes.csv"
    rows = (f"ENSMUSG{number:011d},Mouse{number}\n" for number in range(1, 401))
    genes.write_text("ensembl,symbol\n" + "".join(rows))
    canaries = Canaries.put(outside)
    settings = Settings(data=folder / "data", genes=genes, min_free_mb=0)
    live = Live(settings, FakeCluster(folder / "cluster"))
    try:
        caller = live.start(HOME=str(folder))
        database = Database(settings.url)
        other = Caller(live.http, make_key(database, "other"))
        with database.read() as connection:
            hashes = list(connection.execute(select(keys.c.secret_sha256)).scalars())
        database.close()
        theirs = canaries.word.replace("canary", "theirs")
        body = table().replace(b"S3", theirs.encode())
        other.put(f"/v1/datasets/{sha256(body)}", content=body)
        assert when_validated(other, f"/v1/datasets/{sha256(body)}", _PATIENCE_S)["state"] == "READY"
        root = Path("/etc/passwd").read_text().split("\n", 1)[0]
        yield Siege(live, caller, canaries, [canaries.word, theirs, root, str(settings.data), *hashes])
    finally:
        live.stop()


class Memory:
    """The most memory that any process below one has had, looked at again and again."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak = pid, 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def take_mib(self) -> int:
        """Since the last time it was asked."""
        peak, self._peak = self._peak, 0
        return peak // MIB

    def _watch(self) -> None:
        while not self._ending.wait(_EVERY_S):
            for pid in _below(self._pid):
                self._peak = max(self._peak, _most_bytes(pid))


def _below(pid: int) -> Iterator[int]:
    """Children, and theirs: as the kernel lists them for each thread."""
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, listed.read_text().split()):
                yield child
                yield from _below(child)


def _most_bytes(pid: int) -> int:
    """Of a process that may just have ended."""
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return 0
