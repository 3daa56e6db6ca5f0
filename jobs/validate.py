"""Read an upload in a process of its own: `python -m jobs.validate TABLE --out FOLDER`.

Whatever a stranger's file does to a parser, it does it here: with limits on memory, time and files, in a
jail where the gateway has one, and without the gateway's secrets. In FOLDER it leaves `report.json`, a
`Validation`, and of a table that can be read `look.json`, `counts.parquet` and `labels.parquet`: nothing else
of an upload is read anywhere.
"""

import argparse
import ctypes
import math
import os
import resource
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnalearner.errors import RnalearnerError
from rnalearner.publish import write_text
from service.schemas.base import Fault
from service.schemas.datasets import Validation

_PR_SET_PDEATHSIG = 1
_FORBIDDEN = ("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "pickle.find_class")
_FORBIDDEN_ROOMS = ("socket.", "subprocess.")
"""No reader of tables does these: whoever asks for one was talked into it by the file."""
_UPLOADERS = {
    "where these are symbols": "name genes by Ensembl ids, or by symbols that the gateway's gene table has",
    "give as `data.genes` the GTF": "sum them to genes, as tximport does, and name these by Ensembl ids",
    "give the table of genes of the same species": "upload samples of the species that the gateway is for",
}
"""How a remedy begins -> what to do for somebody who cannot choose the gene table."""


def main(words: Sequence[str] | None = None) -> None:
    """Write the report; the exit code is 0 whether or not the table is any good."""
    asked = _parser().parse_args(words)
    if asked.parent is not None:
        _end_with(asked.parent)
    if asked.memory_mb is not None:
        _limit(asked.memory_mb * 2**20, math.ceil(asked.seconds), math.ceil(asked.patience))
    sys.addaudithook(_refuse)
    name = asked.name or asked.table.name
    answer = validate(asked.table, asked.labels, asked.genes, asked.models, name, asked.out)
    write_text(asked.out / "report.json", answer.model_dump_json())


def validate(
    table: Path, sheet: Path | None, genes: Path | None, models: Path | None, name: str, out: Path
) -> Validation:
    """The report on a table and its sheet, or the first fault; neither names a path of this machine.

    A sheet that cannot be used does not hide its table: then there are both. `out` gets table and sheet in
    canonical form, and what is seen of them.
    """
    # Heavy: only once the limits are set, and pandas and h5py only for what may be a table.
    from rnalearner.counts.gene_table import read_gene_table
    from rnalearner.counts.layouts import detect

    problem = None
    shown = {table: name, sheet: f"labels of {name}"}
    try:
        known = read_gene_table(genes) if genes is not None else None
        if table.suffix == ".txt":
            detect(table, known)
        from jobs.validation_report import describe, give_sheet, read_table

        upload = read_table(table, known)
        if sheet is not None:
            try:
                give_sheet(upload, sheet)
            except Exception as error:
                problem = _fault(error, sheet, shown)
        return Validation(report=describe(upload, models, out), problem=problem)
    except Exception as error:
        return Validation(report=None, problem=_fault(error, table, shown))


def _fault(error: Exception, at: Path, names: dict[Path | None, str]) -> Fault:
    """What an exception says of a file, `at` where it names none, by what its owner calls the files."""
    if isinstance(error, RnalearnerError):
        where, what, remedy = error.where, error.what, error.remedy
        remedy = next((told for begins, told in _UPLOADERS.items() if remedy.startswith(begins)), remedy)
    elif isinstance(error, MemoryError):
        where, what = str(at), "needs more memory than an upload may take"
        remedy = "leave out samples, or cells, that the task does not need"
    else:  # a parser given hostile bytes may raise anything
        traceback.print_exception(error)
        where, what = str(at), f"cannot be read ({type(error).__name__})"
        remedy = "write it again as CSV, TSV, Parquet or h5ad"
    where, what, remedy = (
        _without_paths(text, names).replace("the table `data.genes`", "the gateway's gene table")
        for text in (where, what, remedy)
    )
    return Fault(where=where, what=what, remedy=remedy)


def _refuse(event: str, _arguments: Any) -> None:
    if event in _FORBIDDEN or event.startswith(_FORBIDDEN_ROOMS):
        raise PermissionError(f"{event} is not for an upload")


def _without_paths(text: str, names: dict[Path | None, str]) -> str:
    for path, name in names.items():
        if path is not None:
            text = text.replace(str(path), name).replace(path.name, name)
    return text.encode(errors="replace").decode()[:600]


def _limit(memory: int, seconds: int, patience: int) -> None:
    """Before anything large is imported, so that no byte of the upload is read without limits."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    signal.alarm(patience + 5)  # in case nobody is left to stop it


def _end_with(parent: int) -> None:
    """Die when the thread that asked does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("whoever asked is gone")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jobs.validate", description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("--labels", type=Path, help="CSV of labels, a line a sample")
    parser.add_argument("--genes", type=Path, help="table that turns symbols into Ensembl ids")
    parser.add_argument("--models", type=Path, help="folder of published models")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--name", help="what the owner calls the table")
    parser.add_argument("--parent", type=int, help="process to end with")
    parser.add_argument("--memory-mb", type=int, help="address space, at most; needs --seconds")
    parser.add_argument("--seconds", type=float, default=120, help="CPU time, at most")
    parser.add_argument("--patience", type=float, default=120, help="time by the clock, at most")
    return parser


if __name__ == "__main__":
    main()
