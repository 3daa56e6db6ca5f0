"""How the tables came to be what service/store/tables.py says; each step is one file in `versions`.

`python -m service.store.migrations "What changes"` writes the next one, to be read and mended by hand.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from alembic.config import Config


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest version, inside the connection's transaction."""
    from alembic import command

    command.upgrade(config(connection), "head")


def config(connection: Connection) -> "Config":
    """Alembic's settings, without a file; env.py takes the connection from them."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made
