"""Rules that all schemas share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def refuse_unstorable(value: Any) -> None:
    """Raises ValueError for text that no database, file name or UTF-8 file holds, anywhere in `value`."""
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("text holds a NUL or half a surrogate pair")
    elif isinstance(value, Mapping):
        refuse_unstorable(list(value))
        refuse_unstorable(list(value.values()))
    elif isinstance(value, list):
        for item in value:
            refuse_unstorable(item)


class Create(BaseModel):
    """Asked for: unknown keys are refused, and so are values of another type (true is no number of days)."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        refuse_unstorable(value)
        return value


class Public(BaseModel):
    """Answered."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


def _time(seconds: Any) -> Any:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else seconds


Time = Annotated[datetime, BeforeValidator(_time)]
"""The database's seconds since 1970, as RFC 3339 in UTC."""

LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*$"
"""One line of text, and nothing that makes a terminal or a page show something else."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=["ab" * 32])]
JobId = Annotated[str, Field(pattern=r"^job-[0-9a-f]{24}$", examples=["job-" + "0a" * 12])]


class Fault(Public):
    """One thing that is wrong: where, what, and what to do."""

    where: str
    what: str
    remedy: str


class Problem(Public):
    """RFC 9457 problem details: every error looks like this."""

    type: str = Field(examples=["urn:rnalearner:unknown-column"])
    title: str
    status: int
    detail: str
    """One sentence: where, what, what to do."""
    instance: str
    """The request's path."""
    errors: list[Fault] = []
    """Every fault, where there may be several."""


class Health(Public):
    status: Literal["ok"]
