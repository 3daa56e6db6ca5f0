"""ISA metadata -> a sheet: which sample is what, from which animal. Pure.

Two shapes are understood: ISA-JSON (`materials.samples` whose `factorValues`, `characteristics` and
`derivesFrom` point to `factors`, `characteristicCategories` and `materials.sources` by @id), and
ISA-Tab's columns as JSON ("Factor Value[Spaceflight]", "Source Name"), wherever a list `samples` stands.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rnalearner.errors import LabelError

SUBJECTS = ("animal id", "animal", "subject id", "subject", "individual", "mouse id", "host subject id")
"""Characteristics that name the animal, where a source's own name does not."""
CHARACTERISTICS = {
    "tissue": ("material type", "organism part", "tissue", "organ"),
    "sex": ("sex", "gender"),
    "strain": ("strain", "genotype/strain"),
}
JOINT = " | "
"""Between the values of several factors in one label."""

Row = dict[str, str]


def sheet_rows(metadata: dict[str, Any], accession: str, factor: str | None, where: object) -> list[Row]:
    """A row a sample: sample, study, label, subject, tissue, sex, strain, and `factor_*` for every factor.

    The label is the value of `factor`, else of the one factor that varies, else of all that vary,
    joined. Raises LabelError where there are no samples, no factor, or none of that name.
    """
    study = _study(metadata, accession)
    samples = list(_isa_json(study)) if _list(study.get("materials"), "samples") else list(_isa_tab(study))
    samples = list({name: sample for sample in samples if (name := sample.get("name"))}.values())
    if not samples:
        raise LabelError(where, f"lists no sample of {accession}", "give a sheet of your own as `data.sheet`")
    factors = sorted({name for sample in samples for name in sample["factors"]})
    chosen = _label_factors(samples, factors, factor, accession, where)
    rows = []
    for sample in samples:
        values, known = sample["factors"], sample["characteristics"]
        row = {"sample": sample["name"], "study": accession}
        row["label"] = JOINT.join(values.get(name, "") for name in chosen).strip(JOINT)
        row["subject"] = _first(known, SUBJECTS) or sample["source"]
        row |= {column: _first(known, names) for column, names in CHARACTERISTICS.items()}
        rows.append(row | {_column(name): values.get(name, "") for name in factors})
    return rows


def _label_factors(
    samples: Sequence[dict[str, Any]],
    factors: Sequence[str],
    asked: str | None,
    accession: str,
    where: object,
) -> list[str]:
    names = ", ".join(factors) or "none"
    if asked is not None:
        found = [name for name in factors if asked.lower() in (name.lower(), _column(name))]
        if not found:
            what = f"{accession} has no factor {asked!r}"
            raise LabelError(where, what, f"choose `data.osdr_factor` from: {names}")
        return found
    varies = [name for name in factors if len({sample["factors"].get(name, "") for sample in samples}) > 1]
    if not varies:
        what = f"no factor of {accession} differs between its samples (factors: {names})"
        raise LabelError(where, what, "give a sheet of your own as `data.sheet`")
    return varies


def _isa_json(study: dict[str, Any]) -> Iterator[dict[str, Any]]:
    factor_of = {f.get("@id"): str(f.get("factorName", "")) for f in _list(study, "factors")}
    kind_of = {
        kind.get("@id"): _text(kind.get("characteristicType"))
        for kind in _list(study, "characteristicCategories")
    }
    materials = study["materials"]
    sources = {source.get("@id"): source for source in _list(materials, "sources")}
    for sample in _list(materials, "samples"):
        origins = [sources.get(o.get("@id"), o) for o in _list(sample, "derivesFrom")]
        characteristics: Row = {}
        for owner in (*origins, sample):
            for given in _list(owner, "characteristics"):
                if value := _text(given.get("value")):
                    characteristics[_named(given.get("category"), kind_of).lower()] = value
        factors = {
            name: _text(given.get("value"))
            for given in _list(sample, "factorValues")
            if (name := _named(given.get("category"), factor_of))
        }
        source = _text(origins[0].get("name")) if origins else ""
        yield {
            "name": _text(sample.get("name")),
            "source": source.removeprefix("source-"),
            "factors": factors,
            "characteristics": characteristics,
        }


def _isa_tab(study: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of ISA-Tab's columns, in any list or table `samples`."""
    for row in _tables(study):
        columns = {_plain(key): _text(value) for key, value in row.items()}
        yield {
            "name": columns.get("sample name", ""),
            "source": columns.get("source name", ""),
            "factors": _bracketed(row, "factor value", str.strip),
            "characteristics": _bracketed(row, "characteristics", lambda name: name.strip().lower()),
        }


def _tables(node: Any) -> Iterator[dict[str, Any]]:
    """Every object that has a sample's name."""
    if isinstance(node, dict):
        if any(_plain(key) == "sample name" for key in node):
            yield node
            return
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from _tables(child)


def _bracketed(row: dict[str, Any], kind: str, named: Callable[[str], str]) -> Row:
    """ "Factor Value[Spaceflight]": "Space Flight" -> {"Spaceflight": "Space Flight"}."""
    found = {}
    for key, value in row.items():
        match = re.fullmatch(r"([^\[]+)\[\s*(?:[^:\]]+:\s*)?(.+?)\s*\]", str(key).strip())
        if match and _plain(match[1]) == kind:
            found[named(match[2])] = _text(value)
    return found


def _study(metadata: dict[str, Any], accession: str) -> dict[str, Any]:
    """`study` -> accession -> `studies`[0], as far as these levels are there."""
    node: Any = metadata
    for step in ("study", accession, "studies"):
        node = node.get(step, node) if isinstance(node, dict) else node
    node = node[0] if isinstance(node, list) and node else node
    return node if isinstance(node, dict) else {}


def _list(node: Any, key: str) -> list[dict[str, Any]]:
    found = node.get(key) if isinstance(node, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _named(category: Any, names: dict[Any, str]) -> str:
    """What a category's @id stands for, or what the category says itself."""
    if not isinstance(category, dict):
        return _text(category)
    own = category.get("factorName") or category.get("characteristicType")
    return names.get(category.get("@id"), "") or _text(own)


def _text(value: Any) -> str:
    """An ISA value: text, a number, or an ontology's term."""
    if isinstance(value, dict):
        value = next(
            (value[k] for k in ("annotationValue", "value", "name") if value.get(k) is not None), None
        )
        return _text(value)
    return "" if value is None else str(value).strip()


def _first(known: Row, names: Sequence[str]) -> str:
    return next((known[name] for name in names if known.get(name)), "")


def _plain(key: Any) -> str:
    return re.sub(r"[\s_]+", " ", str(key)).strip().lower()


def _column(factor: str) -> str:
    return "factor_" + re.sub(r"[^0-9a-z]+", "_", factor.lower()).strip("_")
