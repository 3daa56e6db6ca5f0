"""What a lab wants of a gateway under soak: one job a story.

learn      upload a labelled table, learn a linear model, follow its events, fetch its results
ask        the same of a model that was learned before, about a table of one's own
call_off   ask for a model and call it off, in the queue or at work; half of them want it after all
give_up    ask for a model and remove its dataset meanwhile, and with it the job

What the system made fail is asked for again.
"""

import gzip
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rnalearner.errors import InputError
from service.client import GatewayClient, Json, job_path
from tests.service.toy_tables import SHEET, table

KINDS = (*("learn",) * 4, *("ask",) * 2, *("call_off",) * 2, *("give_up",) * 2)
BAD_SHARE = 0.3
"""Of the stories that begin with a table that is of no use."""
N_GENES = 60
MOST_RETRIES = 3
SECOND_THOUGHTS_S = 12.0
"""At most, until somebody calls off or gives up."""
_READINGS = 8
_LOOK_S = 0.2
_KILLED = "made its reader fail"
"""What is said of a table whose reader was killed: with its sheet sent again it is read again."""


@dataclass
class Notes:
    """What all stories know together."""

    asked: dict[str, bool] = field(default_factory=dict)
    """Acknowledged jobs, and whether they had to go with their dataset."""
    learned: list[str] = field(default_factory=list)
    """Jobs whose linear models may be asked."""
    told: list[int] = field(default_factory=list)
    """Stories that have ended, however they did."""
    wrong_sha256: int = 0
    """Downloads whose bytes were others than listed."""
    faults: list[str] = field(default_factory=list)
    """Stories that did not go as they should."""


@dataclass(frozen=True)
class Story:
    """`hang(job)` is called for every job that was asked for; files lie in `folder`, of this story alone."""

    number: int
    kind: str
    rng: random.Random
    client: GatewayClient
    notes: Notes
    hang: Callable[[str], object]
    folder: Path

    def tell(self) -> None:
        """Notes what goes otherwise than it should."""
        try:
            with self.client:
                if self.rng.random() < BAD_SHARE:
                    self._be_refused()
                self._ask_for_a_job()
        except Exception as error:  # whatever it is: the other stories go on
            self.notes.faults.append(f"story {self.number} ({self.kind}): {type(error).__name__}: {error}")
        finally:
            self.notes.told.append(self.number)

    def _ask_for_a_job(self) -> None:
        dataset = self._upload(table(self.number, N_GENES))
        params: Json = {"train": dataset}
        if is_question := self.kind == "ask" and bool(self.notes.learned):
            params = {"classifier": self.rng.choice(self.notes.learned), "dataset": dataset}
        body = {"kind": "predict" if is_question else "linear", "params": params}
        job: str = self.client.post("/v1/jobs", body)["id"]
        self.notes.asked[job] = False
        self.hang(job)
        if self.kind == "give_up":
            time.sleep(self.rng.uniform(0, SECOND_THOUGHTS_S))
            self.client.delete(f"/v1/datasets/{dataset}")
            self.notes.asked[job] = True
            return
        if self.kind == "call_off":
            time.sleep(self.rng.uniform(0, SECOND_THOUGHTS_S))
            self.client.post(f"{job_path(job)}:cancel")
        ended = self._followed(job)
        if ended["status"] == "STOPPED" and self.rng.random() < 0.5:
            ended = self._again(job)
        for _ in range(MOST_RETRIES):
            if ended["cause"] == "system":
                ended = self._again(job)
        if ended["status"] == "SUCCEEDED":
            self._fetch(job)
            if not is_question:
                self.notes.learned.append(job)

    def _be_refused(self) -> None:
        """A table of no use is told so, and nothing can be asked of it."""
        bad = self.rng.choice(_bad_tables(self.number))
        dataset = self._upload(bad, as_it_should="REJECTED")
        try:
            self.client.post("/v1/jobs", {"kind": "linear", "params": {"train": dataset}})
        except InputError:
            self.client.delete(f"/v1/datasets/{dataset}")
        else:
            raise AssertionError("a job was taken on a table of no use")

    def _upload(self, content: bytes, as_it_should: str = "READY") -> str:
        """A table and its sheet; its id, once it has been read."""
        with self._file("table.csv", content) as path, self._file("sheet.csv", SHEET) as sheet:
            dataset: str = self.client.upload(path, f"table {self.number}", lambda *_: None)["id"]
            for _ in range(_READINGS):
                self.client.put_labels(dataset, sheet)
                while (shown := self.client.get(f"/v1/datasets/{dataset}"))["state"] == "VALIDATING":
                    time.sleep(_LOOK_S)
                if shown["state"] == "READY" or _KILLED not in shown["problem"]["what"]:
                    break
        if shown["state"] != as_it_should:
            raise AssertionError(f"its table is {shown['state']}: {shown['problem']}")
        return dataset

    def _followed(self, job: str) -> Json:
        """The job, once its events say that it has ended."""
        numbers = [event["seq"] for event in self.client.events(job)]
        if numbers != list(range(1, len(numbers) + 1)):
            raise AssertionError(f"of job {job} came the events {numbers}")
        return self.client.get(job_path(job))

    def _again(self, job: str) -> Json:
        self.client.post(f"{job_path(job)}:retry")
        return self._followed(job)

    def _fetch(self, job: str) -> None:
        """Every file of its results; the client refuses one with another sha256 than is listed."""
        for listed in self.client.get(job_path(job, "results"))["files"]:
            with self._file("result", b"") as path:
                try:
                    self.client.download(listed["link"], path, listed["sha256"])
                except Exception as error:
                    self.notes.wrong_sha256 += "other bytes" in str(error)
                    raise

    @contextmanager
    def _file(self, name: str, content: bytes) -> Iterator[Path]:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_bytes(content)
        yield path
        path.unlink(missing_ok=True)


def _bad_tables(number: int) -> list[bytes]:
    """A negative count, a word for a count, a file that breaks off, no table at all."""
    good = table(number, 30)
    return [
        good + b"ENSMUSG00000000099,-1,2,3,4,5,6\n",
        good + b"ENSMUSG00000000099,many,2,3,4,5,6\n",
        gzip.compress(good, mtime=0)[:-20],
        b"Please find the counts attached.\n" * (number + 20),
    ]
