"""What an operator may set: RNALEARNER_* in the environment, or options of `rnalearner serve`."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The gateway's settings; paths are made absolute where they are used."""

    model_config = SettingsConfigDict(env_prefix="RNALEARNER_", extra="ignore", use_attribute_docstrings=True)

    data: Path = Path("gateway")
    """One folder of data: uploads, jobs, models and, by default, the database."""
    database_url: str | None = Field(None, pattern=r"^(sqlite:///[^:]|postgres(ql)?(\+psycopg)?://)")
    """SQLAlchemy URL, such as postgresql+psycopg://user@host/name; without it SQLite in the data folder."""
    host: str = "127.0.0.1"
    port: int = Field(8440, ge=0, le=65535)
    """0 takes a free one."""
    ray_address: str | None = None
    """Address of a cluster's dashboard (http://host:8265); without it the gateway runs Ray itself."""
    num_cpus: int | None = Field(None, ge=1)
    """CPUs of the Ray that the gateway runs; without it, this machine's."""
    max_running: int = Field(1, ge=1)
    """Jobs at once; the others wait in the order they came."""
    max_queued: int = Field(1000, ge=1)
    """Waiting jobs of one owner, at most."""
    max_upload_mb: int = Field(2048, ge=1)
    """Bytes of one upload, at most."""
    max_stored_mb: int = Field(20480, ge=1)
    """Bytes of one owner's datasets, sheets and uploads under way, at most."""
    max_datasets: int = Field(1000, ge=1)
    """Datasets of one owner, at most."""
    max_reads_per_minute: int = Field(120_000, ge=1)
    """Requests of one key that look, at most; a minute's worth may come at once."""
    max_writes_per_minute: int = Field(6000, ge=1)
    """Requests of one key that change something, at most; a minute's worth may come at once."""
    max_bad_keys_per_minute: int = Field(120, ge=1)
    """Requests from one address without a good key that are told so; good keys from there still open."""
    max_connections: int = Field(900, ge=1)
    """Open at once; when there are more, whoever has taken longest over a request's head has to go."""
    allowed_hosts: str | None = Field(None, min_length=1)
    """Names, with commas between, that a request's Host may have (ports aside); without it, any."""
    max_attempts: int = Field(2, ge=1)
    """Times that a job is started by itself, when the system (not the user) made it fail."""
    heartbeat_timeout_s: float = Field(60, gt=0)
    """A running job that gives no sign for so long is taken for dead."""
    start_timeout_s: float = Field(300, gt=0)
    """A submitted job that has given no first sign for so long is taken for dead."""
    retention_days: float | None = Field(None, gt=0)
    """Datasets, and what derives from them, are removed so long after upload; without it, never."""
    min_free_mb: int = Field(200, ge=0)
    """Uploads are refused, and the gateway is not ready, with less disk free than this."""
    genes: Path | None = None
    """Table that turns gene symbols into Ensembl ids (columns `ensembl`, `symbol`), for all uploads."""
    recipes: Path | None = None
    """Folder of TOML recipes that keys with the scope `train` may pretrain; `demo` is always there."""
    access_log: Path | None = None
    """File with a JSON line a request; without it, none is written."""
    validation_timeout_s: float = Field(120, gt=0)
    """Time that the child process may take to read an upload."""
    validation_memory_mb: int = Field(2048, ge=512)
    """Address space that it may take."""
    jail: Literal["auto", "bubblewrap", "limits"] = "auto"
    """What it is kept in: `auto` takes bubblewrap where there is one, beside limits on memory and time."""

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data.resolve() / 'gateway.db'}"

    @property
    def hosts(self) -> frozenset[str]:
        """`allowed_hosts`, in small letters; none where any will do."""
        names = (self.allowed_hosts or "").lower().split(",")
        return frozenset(name.strip() for name in names if name.strip())

    @property
    def uploads(self) -> Path:
        """Datasets: <owner>/<sha256>/."""
        return self.data.resolve() / "datasets"

    @property
    def jobs(self) -> Path:
        """Jobs: <job id>/ is the run's folder."""
        return self.data.resolve() / "jobs"

    @property
    def models(self) -> Path:
        """Published models that every key may start from: a folder each."""
        return self.data.resolve() / "models"
