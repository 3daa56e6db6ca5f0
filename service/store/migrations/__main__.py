"""Write the next migration: what differs between the last one and service/store/tables.py."""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from service.store.database import Database
from service.store.migrations import config, upgrade

with tempfile.TemporaryDirectory() as folder:
    database = Database(f"sqlite:///{Path(folder) / 'empty.db'}")
    with database.write() as connection:
        upgrade(connection)
        settings = config(connection)
        number = len(list(ScriptDirectory.from_config(settings).walk_revisions())) + 1
        command.revision(settings, message=sys.argv[1], autogenerate=True, rev_id=f"{number:04d}")
    database.close()
