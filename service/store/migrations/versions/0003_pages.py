"""Sessions are keys made from somebody's; and datasets get a look, for which they are read again."""

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
    datasets = sa.table("datasets", sa.column("state"), sa.column("report"))
    anew = sa.update(datasets).where(datasets.c.state == "READY")
    op.execute(anew.values(state="VALIDATING", report=sa.null()))
