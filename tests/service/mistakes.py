"""Mistakes that people who count genes make, each made by code; their kinds lie in tests/mistakes."""

from collections.abc import Iterator

from tests.mistakes import files, genes, labels, samples, sheets, values
from tests.mistakes.toy import Mistake


def mistakes() -> Iterator[Mistake]:
    """Each once, the same each time."""
    yield from genes.genes()
    yield from values.values()
    yield from files.text()
    yield from files.files()
    yield from samples.samples()
    yield from sheets.sheets()
    yield from labels.labels()
