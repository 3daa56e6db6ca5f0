"""Names of genes that are no Ensembl ids and no symbols: what they are, and what to do about them."""

import re
from collections.abc import Sequence

_MOST_NAMES = 1000
_PROBES = "give RNA-seq counts: intensities of microarray probes are none"
_TRANSLATE = "name the genes by Ensembl ids; biomaRt and MyGene translate them"
_KINDS = (
    (re.compile(r"\d+(_[a-z]+)*_at|AFFX-.+"), "Affymetrix microarray probes", _PROBES),
    (re.compile(r"ILMN_\d+"), "Illumina microarray probes", _PROBES),
    (re.compile(r"A_\d+_P\d+"), "Agilent microarray probes", _PROBES),
    (re.compile(r"\d{1,9}"), "numbers, as Entrez gene ids are", _TRANSLATE),
    (re.compile(r"[NX][MR]_\d+(\.\d+)?"), "RefSeq transcripts", "sum them to genes; " + _TRANSLATE),
    (re.compile(r"ENS[A-Z]{0,6}P\d{6,}(\.\d+)?"), "Ensembl proteins", _TRANSLATE),
)
_MONTH = r"(jan|feb|m[aä]r|mrz|mars|apr|avr|ma[iy]|jun|jul|aug|ao[uû]t|sept?|o[ck]t|nov|d[eé][cz])"
# MARCH1, SEPT2 and DEC1 as spreadsheets show, and save, them.
_DATE = re.compile(
    rf"\d{{1,2}}[-. ]{{1,2}}{_MONTH}\.?|{_MONTH}\.?[- ]\d{{1,4}}"
    r"|\d{4}-\d\d-\d\d([ T]00:00:00)?|\d{1,2}/\d{1,2}/\d{2,4}",
    re.IGNORECASE,
)
_SERIAL = re.compile(r"[34]\d{4}(\.0)?")
"""Days since 1900: 1982 to 2036."""
_FEW = 0.05
UNDO_DATES = "take the names from the original file, and open it in a spreadsheet with that column as text"


def kind_of_names(names: Sequence[str]) -> tuple[str, str] | None:
    """What most of these names are, and the remedy; None where they are nothing known."""
    some = names[:: max(1, len(names) // _MOST_NAMES)]
    for pattern, kind, remedy in _KINDS:
        if 2 * sum(pattern.fullmatch(name) is not None for name in some) > len(some):
            return kind, remedy
    return None


def dates(names: Sequence[str], n_all: int) -> list[str]:
    """Names that a spreadsheet has turned into dates, or into the numbers behind dates.

    A number is a date only where nearly all of the `n_all` names of the table are none.
    """
    serials = [name for name in names if _SERIAL.fullmatch(name)]
    n_numbers = sum(name.isdecimal() for name in names)
    found = serials if n_numbers <= _FEW * n_all else []
    return [name for name in names if _DATE.fullmatch(name)] + found
