"""Uploads are read by a child process in a jail, one at a time; this is the side that waits for it."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import anyio
from pydantic import ValidationError
from sqlalchemy import RowMapping, select, update
from sqlalchemy.exc import SQLAlchemyError

from service.crash import reached
from service.dataset_files import (
    CANONICAL,
    canonical_labels,
    dataset_folder,
    labels_name,
    look_name,
    table_of,
)
from service.datasets.jail import is_jailed, jailed, plain_file, say_how
from service.datasets.retention import sweep, sweep_files
from service.datasets.uploads import files_lock, scratch, sync_folder
from service.recipes.inputs import gene_table
from service.schemas.base import Fault
from service.schemas.datasets import Validation
from service.settings import Settings
from service.store.database import Database, now
from service.store.tables import datasets

_READ = "read"
_REPORT_BYTES, _LOOK_BYTES, _CANONICAL_BYTES = 2**24, 2**24, 2**34
"""Of what a reader leaves, at most."""
_LEAST_CPU_S, _BYTES_A_CPU_S = 6.0, 2**20
"""What reading may compute: so long, and a second more for each MiB of the upload."""
# A jail passes a signal on as the exit code of a shell.
_TOO_SLOW = (-signal.SIGXCPU, 128 + signal.SIGXCPU, -signal.SIGALRM, 128 + signal.SIGALRM)
_IDLE_S, _SWEEP_S = 1.0, 2.0
"""Between looks at the database where nobody calls; between sweeps, which look at more of it."""
_log = logging.getLogger("rnalearner.gateway")


class Validator:
    """Validates datasets in the order of their upload, in a thread; and sweeps, since it looks anyway."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._thread = threading.Thread(target=self._run, name="validator", daemon=True)
        self._called, self._stopping = threading.Event(), threading.Event()
        self._one_child = threading.Lock()
        self.turn = anyio.CapacityLimiter(1)
        """For coroutines that call `examine`: they wait here, and keep no thread from others."""
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Sweep what a crash left, then validate what waits; needs today's tables.

        Raises GatewayError where there must be a jail and is none.
        """
        say_how(self._settings)
        sweep_files(self._database, self._settings)
        self._thread.start()

    def wake(self) -> None:
        """Something waits."""
        self._called.set()

    def stop(self) -> None:
        """A validation under way is cut off, and done again at the next start."""
        self._stopping.set()
        self._called.set()
        self._kill()
        while self._thread.is_alive():
            self._kill()
            self._thread.join(0.1)

    def examine(self, table: Path, name: str, sheet: Path | None, folder: Path) -> Validation | None:
        """What the child says of a table; None where the gateway stops.

        `folder` is for its files; in its `read/` lies what the child made of a table that it could read.
        """
        with self._one_child:
            return self._ask(table, name, sheet, folder)

    def _run(self) -> None:
        swept = time.monotonic()
        while not self._stopping.is_set():
            try:
                if time.monotonic() - swept >= _SWEEP_S:
                    swept = time.monotonic()
                    sweep(self._database, self._settings, now())
                if self._validate_next():
                    continue
            except (SQLAlchemyError, OSError):
                _log.exception("the validator goes on")
            self._called.wait(_IDLE_S)
            self._called.clear()

    def _validate_next(self) -> bool:
        """Validate the dataset that has waited longest; False where none waits."""
        with self._database.read() as connection:
            waiting = select(datasets).where(datasets.c.state == "VALIDATING").order_by(datasets.c.number)
            row = connection.execute(waiting.limit(1)).mappings().first()
        if row is None:
            return False
        reached("validate.begun")
        folder, labels = dataset_folder(self._settings, row["owner"], row["id"]), row["labels_sha256"]
        with scratch(self._settings, row["owner"]) as own:
            sheet = None if labels is None else folder / labels_name(labels)
            answer = self.examine(table_of(folder), row["name"], sheet, own)
            if answer is None:
                return False
            reached("validate.read")
            with files_lock(self._settings):
                if answer.report is not None:
                    _keep(own / _READ, folder, labels)
                reached("validate.kept")
                self._commit(row, answer)
        reached("validate.committed")
        return True

    def _commit(self, row: RowMapping, answer: Validation) -> None:
        """Unless its owner meanwhile removed it, or gave it another sheet."""
        values = {"state": "READY" if answer.valid else "REJECTED", **answer.model_dump(mode="json")}
        same = (
            datasets.c.number == row["number"],
            datasets.c.labels_sha256.is_not_distinct_from(row["labels_sha256"]),
        )
        with self._database.write() as connection:
            connection.execute(update(datasets).where(*same).values(**values))

    def _ask(self, table: Path, name: str, sheet: Path | None, folder: Path) -> Validation | None:
        settings, out = self._settings, folder / _READ
        out.mkdir(mode=0o700)
        genes = gene_table(settings)
        # Isolated (-I): the working directory is no place to import from.
        words = [sys.executable, "-I", "-m", "jobs.validate", str(table), "--out", str(out), f"--name={name}"]
        words += ["--memory-mb", str(settings.validation_memory_mb)]
        seconds = _cpu_seconds(table, settings)
        words += ["--seconds", str(seconds), "--patience", str(settings.validation_timeout_s)]
        words += ["--labels", str(sheet)] if sheet is not None else []
        words += ["--genes", str(genes)] if genes is not None else []
        words += ["--models", str(settings.models)]
        if is_jailed(settings):
            words = jailed(words, (table, sheet, genes, settings.models), out)
        else:
            words += ["--parent", str(os.getpid())]
        with (folder / "errors.txt").open("wb") as errors:
            if self._stopping.is_set():
                return None
            self._child = subprocess.Popen(  # noqa: S603 - our own program
                words,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                cwd=out,
                env=_environment(out),
                start_new_session=True,
            )
            try:
                code = self._child.wait(settings.validation_timeout_s)
            except subprocess.TimeoutExpired:
                self._kill()
                code = None
            finally:
                self._child.wait()
        if self._stopping.is_set():
            return None
        report = out / "report.json"
        if code == 0 and plain_file(report, _REPORT_BYTES):
            with suppress(OSError, ValidationError):
                answer = Validation.model_validate_json(report.read_bytes())
                if answer.report is None or plain_file(out / CANONICAL, _CANONICAL_BYTES):
                    return answer
        with (folder / "errors.txt").open("rb") as errors:
            _log.warning("the child that read an upload ended with %s: %s", code, errors.read(2000))
        return Validation(report=None, problem=_fault(name, code, seconds, settings))

    def _kill(self) -> None:
        """The child and whatever it started, if it still runs."""
        child = self._child
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def _keep(made: Path, folder: Path, labels: str | None) -> None:
    """Canonical files and the look to their dataset; all else that a reader left goes with its folder."""
    for name, kept, most in (
        (CANONICAL, CANONICAL, _CANONICAL_BYTES),
        (canonical_labels(None), canonical_labels(labels), _CANONICAL_BYTES),
        (look_name(None), look_name(labels), _LOOK_BYTES),
    ):
        if folder.is_dir() and plain_file(made / name, most):
            with (made / name).open("rb") as file:
                os.fsync(file.fileno())
            (made / name).rename(folder / kept)
            sync_folder(folder)


def _cpu_seconds(table: Path, settings: Settings) -> float:
    """Of computing, at most: HDF5 itself goes round in some damaged files for ever."""
    size = table.stat().st_size if table.exists() else 0
    return min(settings.validation_timeout_s, _LEAST_CPU_S + size / _BYTES_A_CPU_S)


def _fault(name: str, code: int | None, seconds: float, settings: Settings) -> Fault:
    """Why there is no report: too slow (its own limit on CPU time says so too), or the reader died."""
    if code is None or code in _TOO_SLOW:
        limit = seconds if code in _TOO_SLOW[:2] else settings.validation_timeout_s
        what = f"could not be read within {limit:.3g} s"
        return Fault(where=name, what=what, remedy="leave out samples, or cells, that the task does not need")
    what = f"made its reader fail, which may use {settings.validation_memory_mb} MiB of memory"
    return Fault(where=name, what=what, remedy="write it again as CSV, TSV or h5ad, with fewer samples")


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of the gateway's own: keys, tokens and the database's URL stay here."""
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "HDF5_PLUGIN_PRELOAD": "::",  # no filters from elsewhere
    }
