"""Jobs read a dataset's canonical form, which validation makes: what was READY before is validated again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    datasets = sa.table("datasets", sa.column("state"), sa.column("report"))
    anew = sa.update(datasets).where(datasets.c.state == "READY")
    op.execute(anew.values(state="VALIDATING", report=sa.null()))
