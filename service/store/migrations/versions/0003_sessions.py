"""A browser's session is a key of its own, made from somebody's."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    comment = "of a browser's session: the key that it was made from"
    op.add_column("keys", sa.Column("parent", sa.String(32), comment=comment))
    op.create_index("ix_keys_parent", "keys", ["parent"])
