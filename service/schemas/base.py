"""Rules that all schemas share."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Create(BaseModel):
    """Asked for: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Public(BaseModel):
    """Answered."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


def _time(seconds: Any) -> Any:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else seconds


Time = Annotated[datetime, BeforeValidator(_time)]
"""The database's seconds since 1970, as RFC 3339 in UTC."""

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
