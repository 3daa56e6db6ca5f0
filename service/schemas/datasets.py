"""Count tables and their sheets of labels."""

from typing import Literal

from pydantic import Field, model_validator

from service.schemas.base import Fault, Public, Sha256, Time

DatasetState = Literal["VALIDATING", "READY", "REJECTED"]


class SheetColumn(Public):
    """One column of what is known of the samples."""

    name: str
    values: dict[str, int]
    """Value -> number of samples, the commonest first; 50 values at most."""
    n_values: int


class DatasetReport(Public):
    """What validation found."""

    n_samples: int
    n_genes: int
    samples: list[str]
    """Names, 1,000 at most."""
    orientation: str
    """Where genes are in the file: rows or columns."""
    id_type: str
    """ensembl, ensembl_version or symbol."""
    n_matched: int
    """Genes with an Ensembl id."""
    share_matched: float
    """Of the file's genes."""
    models: dict[str, float]
    """Published model -> share of its genes that the table measures."""
    integer: bool
    """False: expected counts as RSEM writes them."""
    n_duplicates: int
    """Pairs, of the first 1,000 samples, whose profiles correlate above 0.999."""
    duplicates: list[tuple[str, str]]
    """The first ten pairs."""
    total_min: float
    """Smallest library, in reads."""
    total_max: float
    columns: list[SheetColumn]
    """The sheet's, and those that an h5ad holds itself; 200 at most."""
    label_column: str | None
    """The column that looks like the groups: two samples or more have each of two values or more."""
    subject_column: str | None
    """The column that names animals, if there is one."""
    not_in_sheet: list[str]
    """Samples that the sheet does not list, 1,000 at most."""
    warnings: list[Fault] = Field(default=[])
    """What its owner should act on before asking anything of it: where, what, and the remedy."""
    notes: list[str]
    """What is good to know: how the table was understood, as sentences."""


class DatasetPublic(Public):
    """One uploaded table.

    It has both a report, of the table alone, and a problem where only its sheet cannot be used.
    """

    id: Sha256
    """sha256 of its bytes."""
    name: str
    bytes: int
    state: DatasetState
    labels_sha256: Sha256 | None
    report: DatasetReport | None
    problem: Fault | None
    created: Time
    expires: Time | None


class DatasetPage(Public):
    items: list[DatasetPublic]
    next: str | None
    """Cursor of the next page; also in the Link header."""


class Validation(Public):
    """What the child that reads an upload says: a report, what is wrong, or both where only the sheet is."""

    report: DatasetReport | None
    problem: Fault | None

    @model_validator(mode="after")
    def _one_of_them(self) -> "Validation":
        if self.report is None and self.problem is None:
            raise ValueError("a report or a problem")
        return self

    @property
    def valid(self) -> bool:
        return self.problem is None
