"""The database's tables. Times are seconds since 1970, UTC; JSON columns hold what the schemas say."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

# SQLite counts by itself only in a column that is INTEGER and nothing else.
_Number = BigInteger().with_variant(Integer, "sqlite")

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(64), nullable=False, index=True),
    Column("name", String(120), nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created", Double, nullable=False),
    Column("expires", Double),
    Column("revoked", Double),
    Column("last_used", Double),
    Column("parent", String(32), index=True, comment="of a browser's session: the key that it was made from"),
)

datasets = Table(
    "datasets",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("id", String(64), primary_key=True, comment="sha256 of the uploaded bytes"),
    Column("number", _Number, nullable=False, unique=True, comment="order of upload"),
    Column("name", String(255), nullable=False, comment="what its owner calls it; never a path"),
    Column("bytes", BigInteger, nullable=False),
    Column("state", String(16), nullable=False, comment="VALIDATING, READY, REJECTED"),
    Column("labels_sha256", String(64), comment="of the sheet, if there is one"),
    Column("report", JSON, comment="what validation found; null until it has"),
    Column("problem", JSON, comment="where, what, remedy of a rejected one"),
    Column("created", Double, nullable=False),
    Column("expires", Double, index=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=True, comment="order of submission"),
    Column("id", String(40), nullable=False, unique=True),
    Column("owner", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("label", String(120), nullable=False, server_default=""),
    Column("params", JSON, nullable=False),
    Column("status", String(12), nullable=False, comment="PENDING, RUNNING, STOPPED, SUCCEEDED, FAILED"),
    Column("cause", String(8), comment="of a failure: user or system"),
    Column("error", JSON, comment="where, what, remedy"),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("submitted", Double, comment="when the cluster took this attempt; null while it waits here"),
    Column("cancel", Boolean, nullable=False, server_default="0", comment="asked to stop"),
    Column("deleted", Boolean, nullable=False, server_default="0", comment="its dataset is; goes once over"),
    Column("progress", JSON, comment="label, done, total, note, share, remaining_s"),
    Column("beat", BigInteger, comment="the heartbeat's last number"),
    Column("beat_seen", Double, comment="when that number was first seen"),
    Column("events_offset", BigInteger, nullable=False, server_default="0", comment="bytes of events taken"),
    Column("n_events", Integer, nullable=False, server_default="0", comment="number of the last event"),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Index("jobs_queue", "status", "number"),
    Index("jobs_of_owner", "owner", "number"),
)

job_datasets = Table(
    "job_datasets",
    metadata,
    Column("job", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("dataset", String(64), primary_key=True, comment="a job derives from it"),
    Index("jobs_of_dataset", "owner", "dataset"),
)

job_sources = Table(
    "job_sources",
    metadata,
    Column("job", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("source", String(40), primary_key=True, index=True, comment="the job whose result it reads"),
)

events = Table(
    "events",
    metadata,
    Column("job", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True, comment="1, 2, 3, ... within the job"),
    Column("at", Double, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("data", JSON, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request_sha256", String(64), nullable=False, comment="of method, path and body"),
    Column("status", Integer, nullable=False),
    Column("location", Text),
    Column("body", Text, nullable=False),
    Column("created", Double, nullable=False, index=True),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False, comment="one gateway process"),
    Column("until", Double, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column(
        "value", BigInteger, nullable=False, comment="the last number given out; see database.next_number"
    ),
)
