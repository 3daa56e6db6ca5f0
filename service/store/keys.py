"""API keys: shown once, stored as a hash, known again within microseconds."""

import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from service.store.database import Database, now
from service.store.tables import keys

SCOPES = ("read", "write", "train", "admin")
_FORM = re.compile(r"rnal_([0-9a-f]{20})_([0-9a-f]{48})")
_KNOWN_S = 3.0
"""For so long a key is not looked up again; a revocation in this process counts at once."""
_USED_S = 60.0
"""`last_used` is no finer than this: reading should not make writes."""
_MOST_KNOWN = 1000
_SESSION_S = 12 * 3600.0


@dataclass(frozen=True)
class Caller:
    """Who asks: every dataset and job belongs to an owner, never to a key."""

    owner: str
    scopes: frozenset[str]
    key_id: str
    """Of a browser's session: the key that it was made from."""


def create_key(
    connection: Connection, owner: str, name: str, scopes: Iterable[str], days: float | None
) -> tuple[dict[str, Any], str]:
    """Store a new key; returns its row and the key itself, which is nowhere else."""
    return _insert(connection, owner, name, scopes, None if days is None else now() + days * 86400)


def create_session(connection: Connection, caller: Caller) -> str:
    """What a browser holds instead of somebody's key: a key of its own, for hours, that ends with theirs.

    It makes no keys. Those of this key that are over are cleared away.
    """
    moment = now()
    connection.execute(delete(keys).where(keys.c.parent == caller.key_id, keys.c.expires <= moment))
    own = connection.execute(select(keys.c.expires).where(keys.c.id == caller.key_id)).scalar()
    ends = min(moment + _SESSION_S, own or float("inf"))
    scopes = caller.scopes - {"admin"}
    return _insert(connection, caller.owner, "browser", scopes, ends, parent=caller.key_id)[1]


def end_session(connection: Connection, session: str) -> None:
    """Remove a session; whatever else `session` may be, nothing happens."""
    form = _FORM.fullmatch(session)
    if form is not None:
        mine = (keys.c.id == form[1], keys.c.secret_sha256 == _hash(form[2]), keys.c.parent.is_not(None))
        connection.execute(delete(keys).where(*mine))


def _insert(
    connection: Connection,
    owner: str,
    name: str,
    scopes: Iterable[str],
    expires: float | None,
    parent: str | None = None,
) -> tuple[dict[str, Any], str]:
    created = now()
    # Ids grow with time, so that a list by id is a list by age.
    key_id, secret = f"{int(created):08x}{secrets.token_hex(6)}", secrets.token_hex(24)
    row = {
        "id": key_id,
        "owner": owner,
        "name": name,
        "scopes": [scope for scope in SCOPES if scope in set(scopes)],
        "created": created,
        "expires": expires,
        "revoked": None,
        "last_used": None,
    }
    connection.execute(insert(keys).values(**row, secret_sha256=_hash(secret), parent=parent))
    return row, f"rnal_{key_id}_{secret}"


def list_keys(connection: Connection, before: str | None = None, limit: int = 200) -> list[RowMapping]:
    """The newest first, without sessions; `before` is the last id of an earlier list."""
    shown = select(keys).where(keys.c.parent.is_(None)).order_by(keys.c.id.desc()).limit(limit)
    if before is not None:
        shown = shown.where(keys.c.id < before)
    return list(connection.execute(shown).mappings())


def revoke_key(connection: Connection, key_id: str) -> bool:
    """It and its sessions open nothing from now on; False where there is no such key. Twice is no error."""
    theirs = or_(keys.c.id == key_id, keys.c.parent == key_id)
    connection.execute(update(keys).where(theirs, keys.c.revoked.is_(None)).values(revoked=now()))
    here = (keys.c.id == key_id, keys.c.parent.is_(None))
    return connection.execute(select(keys.c.id).where(*here)).first() is not None


def _hash(secret: str) -> str:
    # The secret has 192 random bits: a slow hash would protect nothing more.
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class _Known:
    caller: Caller
    until: float


class KeyRing:
    """Callers by key, remembered for a few seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def remembered(self, key: str) -> Caller | None:
        """The caller, if this key was looked up a moment ago."""
        known = self._known.get(key)
        return known.caller if known is not None and now() < known.until else None

    def look_up(self, key: str) -> Caller | None:
        """The caller of a valid key, by the database; None for any other text."""
        form = _FORM.fullmatch(key)
        if form is None:
            return None
        key_id, secret = form.groups()
        with self._lock:  # so that no look-up from before a revocation is remembered after it
            with self._database.read() as connection:
                row = connection.execute(select(keys).where(keys.c.id == key_id)).mappings().first()
            stored = row["secret_sha256"] if row is not None else ""
            moment = now()
            if not hmac.compare_digest(_hash(secret), stored) or row is None:
                return None
            if row["revoked"] is not None or (row["expires"] is not None and row["expires"] <= moment):
                return None
            caller = Caller(row["owner"], frozenset(row["scopes"]), row["parent"] or key_id)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = _Known(caller, min(moment + _KNOWN_S, row["expires"] or float("inf")))
        if moment - (row["last_used"] or 0) > _USED_S:
            self._note_use(key_id, moment)
        return caller

    def forget(self, key_id: str) -> None:
        """After a revocation."""
        with self._lock:
            self._known = {key: known for key, known in self._known.items() if known.caller.key_id != key_id}

    def _note_use(self, key_id: str, moment: float) -> None:
        # Reading goes on where nothing can be written.
        with suppress(SQLAlchemyError), self._database.write() as connection:
            connection.execute(update(keys).where(keys.c.id == key_id).values(last_used=moment))
