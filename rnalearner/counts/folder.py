"""A folder of one-sample files, as HTSeq, featureCounts, RSEM, Salmon and kallisto leave them."""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from rnalearner.errors import CountsError

QUANTIFIED = (
    "quant.genes.sf",
    "*.genes.results",
    "quant.sf",
    "abundance.tsv",
    "gene_abund*.tab",
    "t_data.ctab",
)
"""What a tool writes into a sample's own folder; of several, the first that every sample has."""
_TRACES = ("cmd_info.json", "run_info.json")
"""Salmon's and kallisto's: here a sample was quantified, or should have been."""
_BESIDE = "*.summary"  # featureCounts'


@dataclass(frozen=True)
class SampleFile:
    """One sample's counts."""

    path: Path
    sample: str | None = None
    """Named by its folder; None where the file's own name says it."""


def sample_files(folder: Path) -> tuple[list[SampleFile], list[str]]:
    """The files to read, by name, and the names of what lies there besides.

    A folder a sample (`SAMPLE/quant.sf`, or whatever one file lies in it), files side by side, or one
    sample's own folder. Raises CountsError where a sample's folder lacks what the others have.
    """
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in entries if path.is_file()]
    folders = [path for path in entries if path.is_dir()]
    own = next((path for kind in QUANTIFIED for path in files if _is(path, kind)), None)
    if own is not None and _is_alone(own):
        return [SampleFile(own, folder.name)], [path.name for path in entries if path != own]
    quantified = [path for path in folders if any(_of_kind(path, kind) for kind in QUANTIFIED)]
    if quantified:
        found = _one_kind(folder, quantified, [path for path in folders if _was_meant(path)])
        read = {one.path.parent for one in found}
        return found, [path.name for path in entries if path not in read]
    flat = [path for path in files if not fnmatch(path.name, _BESIDE)]
    if flat:
        return [SampleFile(path) for path in flat], [path.name for path in entries if path not in flat]
    return [_only_file(path) for path in folders], []


def _one_kind(folder: Path, quantified: list[Path], meant: list[Path]) -> list[SampleFile]:
    samples = sorted({*quantified, *meant})
    by_kind = {kind: {path: _of_kind(path, kind) for path in samples} for kind in QUANTIFIED}
    kind = next((kind for kind, found in by_kind.items() if all(found.values())), None)
    if kind is None:
        kind = max(QUANTIFIED, key=lambda kind: sum(map(bool, by_kind[kind].values())))
        lacking = next(path for path in samples if not by_kind[kind][path])
        having = next(path for path in samples if by_kind[kind][path])
        what = f"lacks {kind}, which {having.name} has"
        raise CountsError(lacking, what, "quantify it in the same way, or move its folder elsewhere")
    for path, found in by_kind[kind].items():
        if len(found) > 1:
            what = f"holds {found[0].name} and {found[1].name}"
            raise CountsError(path, what, "give every sample a folder of its own")
    return [SampleFile(found[0], path.name) for path, found in by_kind[kind].items()]


def _only_file(folder: Path) -> SampleFile:
    inside = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if len(inside) != 1:
        what = f"holds {len(inside)} files, none of which is known to hold a sample's counts"
        raise CountsError(folder, what, "leave in every sample's folder its one table of counts")
    return SampleFile(inside[0], folder.name)


def _is(path: Path, kind: str) -> bool:
    return fnmatch(path.name, kind) or fnmatch(path.name, f"{kind}.gz")


def _is_alone(path: Path) -> bool:
    """A file that every sample's folder calls alike, so that it must be the folder's own."""
    return any("*" not in kind and _is(path, kind) for kind in QUANTIFIED)


def _of_kind(folder: Path, kind: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and _is(path, kind))


def _was_meant(folder: Path) -> bool:
    return any((folder / trace).is_file() for trace in _TRACES)
