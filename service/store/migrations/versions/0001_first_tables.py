"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


# SQLite counts by itself only in a column that is INTEGER and nothing else.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column(
            "value",
            sa.BigInteger(),
            nullable=False,
            comment="the last number given out; see database.next_number",
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    op.execute("INSERT INTO counters (name, value) VALUES ('datasets', 0), ('jobs', 0)")
    op.create_table(
        "datasets",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False, comment="sha256 of the uploaded bytes"),
        sa.Column("number", _NUMBER, nullable=False, comment="order of upload"),
        sa.Column(
            "name", sa.String(length=255), nullable=False, comment="what its owner calls it; never a path"
        ),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False, comment="VALIDATING, READY, REJECTED"),
        sa.Column("labels_sha256", sa.String(length=64), comment="of the sheet, if there is one"),
        sa.Column("report", sa.JSON(), comment="what validation found; null until it has"),
        sa.Column("problem", sa.JSON(), comment="where, what, remedy of a rejected one"),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double()),
        sa.PrimaryKeyConstraint("owner", "id"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("ix_datasets_expires", "datasets", ["expires"])
    op.create_table(
        "idempotency",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False, comment="of method, path and body"),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("location", sa.Text()),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key"),
    )
    op.create_index("ix_idempotency_created", "idempotency", ["created"])
    op.create_table(
        "jobs",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False, comment="order of submission"),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=120), server_default="", nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column(
            "status",
            sa.String(length=12),
            nullable=False,
            comment="PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED",
        ),
        sa.Column("cause", sa.String(length=8), comment="of a failure: user or system"),
        sa.Column("error", sa.JSON(), comment="where, what, remedy"),
        sa.Column("attempt", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "submitted", sa.Double(), comment="when the cluster took this attempt; null while it waits here"
        ),
        sa.Column("cancel", sa.Boolean(), server_default="0", nullable=False, comment="asked to stop"),
        sa.Column(
            "deleted",
            sa.Boolean(),
            server_default="0",
            nullable=False,
            comment="its dataset is; goes once over",
        ),
        sa.Column("progress", sa.JSON(), comment="label, done, total, note, share, remaining_s"),
        sa.Column("beat", sa.BigInteger(), comment="the heartbeat's last number"),
        sa.Column("beat_seen", sa.Double(), comment="when that number was first seen"),
        sa.Column(
            "events_offset",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="bytes of events taken",
        ),
        sa.Column(
            "n_events", sa.Integer(), server_default="0", nullable=False, comment="number of the last event"
        ),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("started", sa.Double()),
        sa.Column("ended", sa.Double()),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("jobs_of_owner", "jobs", ["owner", "number"])
    op.create_index("jobs_queue", "jobs", ["status", "number"])
    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double()),
        sa.Column("revoked", sa.Double()),
        sa.Column("last_used", sa.Double()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_keys_owner", "keys", ["owner"])
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False, comment="one gateway process"),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "events",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="1, 2, 3, ... within the job"),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "seq"),
    )
    op.create_table(
        "job_datasets",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False, comment="a job derives from it"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "dataset"),
    )
    op.create_index("jobs_of_dataset", "job_datasets", ["owner", "dataset"])
    op.create_table(
        "job_sources",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False, comment="the job whose result it reads"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "source"),
    )
    op.create_index("ix_job_sources_source", "job_sources", ["source"])
