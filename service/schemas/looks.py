"""What is seen of a table at once: pictures in numbers, for whoever draws them."""

from typing import Literal

from service.schemas.base import Public

MOST_SHEET_SAMPLES, MOST_SHEET_COLUMNS = 500, 50


class Grouping(Public):
    """One way to divide the samples, and how far apart it keeps them."""

    name: str
    kind: Literal["column", "name part"]
    """A column of what is known of the samples, or a part of their names."""
    values: list[str]
    """One a sample."""
    share: float
    """Of the variance along the components that the label leaves, what the grouping explains: omega squared,
    which allows for the number of its values."""
    confounded: bool
    """It divides the samples just as the label does, so that nobody can tell the two apart."""


class SheetCells(Public):
    """What is known of the samples, cell by cell."""

    columns: list[str]
    cells: list[list[str]]
    """A row a sample, "" where nothing is known."""


class DatasetLook(Public):
    """The first 1,000 samples: their sizes, and which of them are alike."""

    samples: list[str]
    """Names, in the order of all that follows."""
    totals: list[float]
    """Reads of each."""
    n_expressed: list[int]
    """Genes of each that have a read."""
    components: list[list[float]]
    """A row a sample: its place along up to 3 principal components of log2(CPM + 1)."""
    explained: list[float]
    """Share of the variance along each component."""
    correlation: list[list[float]] | None
    """Of log2(CPM + 1) of each pair; null for more than 100 samples."""
    groupings: list[Grouping]
    """What divides the samples, the largest share first; 12 at most."""
    batch: str | None
    """The grouping that keeps samples apart by more than chance does, beyond what their label explains."""
    sheet: SheetCells | None
    """For an editor; null for more than 500 samples or 50 columns, or a cell of more than 200 letters."""
