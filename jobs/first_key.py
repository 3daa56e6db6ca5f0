"""The key of whoever starts a gateway for the first time."""

from pathlib import Path

import tomli_w
from sqlalchemy import select

from jobs.remote.connection import user_file, write_private
from service.store.database import Database
from service.store.keys import SCOPES, create_key
from service.store.tables import keys


def ensure_key(database: Database, data: Path, url: str) -> Path | None:
    """Where there is no key at all, make one with all scopes for the owner `local`.

    Returns the file that holds it, or None: the client's own config file, unless there is one
    already; then <data>/first-key.
    """
    database.migrate()
    with database.write() as connection:
        if connection.execute(select(keys.c.id).limit(1)).first() is not None:
            return None
        _, key = create_key(connection, "local", "first key", SCOPES, None)
        # On disk before the transaction is: a key that nobody knows would be in the way of another.
        if user_file().exists():
            kept = data.resolve() / "first-key"
            write_private(kept, f"{key}\n")
            return kept
        write_private(user_file(), tomli_w.dumps({"server": url, "key": key}))
        return user_file()
