"""API keys: shown once, stored as a hash."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.base import LINE, Create, Public, Time

Scope = Literal["read", "write", "train", "admin"]
"""read: look. write: datasets and jobs. train: pretrain and scout too. admin: keys."""
Owner = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["gravity-lab"])]


KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{20}$", examples=["0a" * 10])]


class KeyCreate(Create):
    owner: Owner
    """Who the key acts for: keys of one owner see the same datasets and jobs."""
    name: str = Field("", max_length=120, pattern=LINE)
    scopes: list[Scope] = Field(["read", "write"], min_length=1)
    days: float | None = Field(None, gt=0, le=36500)
    """It expires after so long; without it, never."""


class KeyPublic(Public):
    id: KeyId
    owner: str
    name: str
    scopes: list[Scope]
    created: Time
    expires: Time | None
    revoked: Time | None
    last_used: Time | None


class KeyCreated(KeyPublic):
    key: str
    """The whole key; it cannot be shown again."""


class KeyList(Public):
    items: list[KeyPublic]
    next: KeyId | None
    """Cursor of the next page."""


class Me(Public):
    """Whose key this is."""

    owner: Owner
    scopes: list[Scope]
    key: KeyId
