"""Tables of gene sets: a transcription factor's targets, a pathway's genes."""

from pathlib import Path

import pandas as pd

from rnalearner.counts.genes import ENSEMBL, GeneTable, without_version
from rnalearner.errors import GeneError
from rnalearner.scouts.samples import GeneSets


def read_sets(path: Path, symbols: GeneTable | None = None) -> GeneSets:
    """Sets by name from a CSV: columns tf or set, target or gene, and perhaps mor or sign (else 1).

    Genes are Ensembl ids, or symbols that `symbols` resolves; those that it does not know, or knows
    twice, are left out. Raises GeneError where the file or a column is missing, a sign is no number,
    symbols come without a table, or no gene is known.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise GeneError(path, "there is no such file", "correct the path in `sets`") from None
    except (OSError, ValueError) as error:
        raise GeneError(path, f"cannot be read as CSV ({error})", "save it as UTF-8 text") from None
    called = (("tf", "set"), ("target", "gene"), ("mor", "sign"))
    name, gene, sign = (next((n for n in names if n in table.columns), None) for names in called)
    if name is None or gene is None:
        what = "lacks a column of sets (tf or set) or of genes (target or gene)"
        raise GeneError(path, what, "name the columns so")
    signs = [1.0] * len(table)
    if sign is not None:
        signs = pd.to_numeric(table[sign], errors="coerce").tolist()
        for line, (value, text) in enumerate(zip(signs, table[sign], strict=True), start=2):
            if value != value:
                raise GeneError(path, f"line {line} has the sign {text!r}", "give 1 or -1")
    sets: dict[str, dict[str, float]] = {}
    ids = _resolved(path, [text.strip() for text in table[gene]], symbols)
    for set_name, known, value in zip(table[name], ids, signs, strict=True):
        if known is not None:
            sets.setdefault(set_name, {})[known] = value
    if not sets:
        raise GeneError(path, "names no gene that is known", "check its genes and `data.genes`")
    return sets


def _resolved(path: Path, given: list[str], symbols: GeneTable | None) -> list[str | None]:
    """Ensembl ids without version; None for a symbol without a single one."""
    is_id = [bool(ENSEMBL.fullmatch(text)) for text in given]
    if symbols is None and not any(is_id):
        raise GeneError(path, "names genes by symbol", "name a table of symbols in `data.genes`")
    by_symbol = [None] * len(given) if symbols is None else symbols.resolve(given).ids
    return [without_version(g) if i else s for g, i, s in zip(given, is_id, by_symbol, strict=True)]
