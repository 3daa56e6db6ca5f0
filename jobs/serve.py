"""`rnalearner serve` and `rnalearner key`: the gateway, for those who run one. Heavy imports inside."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnalearner.errors import GatewayError, InputError, OpenClusterError

if TYPE_CHECKING:
    from service.settings import Settings
    from service.store.database import Database
    from service.submitter import JobSubmitter

_Data = Annotated[Path | None, typer.Option(help="Folder of all its data; by default ./gateway.")]
_Url = Annotated[
    str | None, typer.Option(help="postgresql://user@host/name; by default SQLite in the data folder.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]

keys = typer.Typer(no_args_is_help=True, help="API keys, made on the gateway's own host.")


def serve(
    data: _Data = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; by default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="By default 8440; 0 takes a free one.")] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="A cluster's dashboard, http://host:8265; by default Ray is run here.")
    ] = None,
    num_cpus: Annotated[int | None, typer.Option(help="CPUs of the Ray that is run here.")] = None,
    max_running: Annotated[int | None, typer.Option(help="Jobs at once; by default 1.")] = None,
    database_url: _Url = None,
    genes: Annotated[
        Path | None, typer.Option(help="Table of gene symbols (columns ensembl, symbol) for all uploads.")
    ] = None,
    recipes: Annotated[Path | None, typer.Option(help="Folder of recipes that keys may pretrain.")] = None,
    access_log: Annotated[Path | None, typer.Option(help="File with a JSON line a request.")] = None,
    as_json: _Json = False,
) -> None:
    """Run the gateway until it is stopped; the first start makes a first key.

    Jobs that run when it is stopped are started again, as a new attempt, when it comes back: the Ray
    that it runs ends with it. On a cluster of your own they go on meanwhile.
    """
    settings = _settings(
        data=data, host=host, port=port, ray_address=ray_address, num_cpus=num_cpus, genes=genes,
        max_running=max_running, database_url=database_url, recipes=recipes, access_log=access_log,
    )  # fmt: skip
    from jobs.first_key import ensure_key
    from jobs.listen import bound, listen, log_to
    from service.app import create_app

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # while it starts, too, what was begun is ended
    log_to(settings.access_log)
    _private_folder(settings.data)
    with _alone(settings), bound(settings) as (socket, url), _submitter(settings) as submitter:
        app = create_app(settings, submitter)
        with _database_faults(settings):
            key = ensure_key(app.state.gateway.database, settings.data, url)

        def announce() -> None:
            if as_json:
                first_key = None if key is None else str(key)
                typer.echo(json.dumps({"url": url, "pid": os.getpid(), "first_key": first_key}))
                return
            typer.echo(f"RNALearner's gateway: {url} (data: {settings.data.resolve()}, API: {url}/docs)")
            if key is not None:
                typer.echo(f"A first key, for the owner `local` and with all scopes, is in {key}.")

        listen(app, socket, announce)


@contextmanager
def _submitter(settings: "Settings") -> "Iterator[JobSubmitter]":
    """What runs the jobs; raises OpenClusterError rather than use a cluster that obeys anybody."""
    submitter: JobSubmitter
    if settings.ray_address is None:
        from cluster.head import EmbeddedRay

        submitter = EmbeddedRay(settings.data.resolve() / "ray", settings.num_cpus)
    else:
        from cluster.submission import RayJobs
        from rnalearner.errors import ClusterError

        submitter = RayJobs(settings.ray_address)
        try:
            submitter.check()
        except OpenClusterError:
            raise
        except ClusterError as error:
            typer.echo(f"warning: {error} Jobs wait until it answers.", err=True)
    try:
        yield submitter
    finally:
        submitter.close()


def _settings(**given: Any) -> "Settings":
    """Options, else RNALEARNER_*, else the defaults."""
    from pydantic import ValidationError

    from service.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        where = f"--{name.replace('_', '-')} or RNALEARNER_{name.upper()}"
        raise InputError(where, fault["msg"], "see `rnalearner serve --help`") from None


def _private_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


@contextmanager
def _alone(settings: "Settings") -> Iterator[None]:
    """Hold the data folder; several gateways may share one database and one cluster, but not ours."""
    import fcntl

    if settings.database_url is not None and settings.ray_address is not None:
        yield
        return
    with (settings.data / "gateway.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            what = f"another gateway runs on this folder (process {lock.read().strip() or 'unknown'})"
            raise GatewayError(settings.data, what, "stop it, or choose another --data") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@keys.command("create", epilog="Example: rnalearner key create gravity-lab --scope read --scope write")
def create(
    owner: Annotated[str, typer.Argument(help="Who it acts for; keys of one owner see the same things.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write, train, admin; by default read and write.")
    ] = None,
    name: Annotated[str, typer.Option(help="A word to know it by.")] = "",
    days: Annotated[float | None, typer.Option(help="It expires after so many; by default never.")] = None,
    data: _Data = None,
    database_url: _Url = None,
    as_json: _Json = False,
) -> None:
    """Make a key and print it: this is the only time that it is shown."""
    from pydantic import ValidationError

    from service.schemas.keys import KeyCreate, KeyCreated
    from service.store.keys import create_key

    given = {"owner": owner, "name": name, "days": days, **({"scopes": scope} if scope else {})}
    try:
        wanted = KeyCreate.model_validate(given)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise InputError(where, fault["msg"], "see `rnalearner key create --help`") from None
    with _database(data, database_url) as database, database.write() as connection:
        row, key = create_key(connection, wanted.owner, wanted.name, wanted.scopes, wanted.days)
    typer.echo(KeyCreated(**row, key=key).model_dump_json() if as_json else key)


@keys.command("list", epilog="Example: rnalearner key list --json")
def show(data: _Data = None, database_url: _Url = None, as_json: _Json = False) -> None:
    """The newest 200 keys, never the secrets."""
    from service.schemas.keys import KeyList, KeyPublic
    from service.store.keys import list_keys

    with _database(data, database_url) as database, database.read() as connection:
        rows = [KeyPublic.model_validate(dict(row)) for row in list_keys(connection)]
    if as_json:
        typer.echo(KeyList(items=rows, next=None).model_dump_json())
        return
    for row in rows:
        state = "revoked" if row.revoked else f"expires {row.expires:%Y-%m-%d}" if row.expires else "good"
        typer.echo(f"{row.id}  {row.owner:20}  {','.join(row.scopes):24}  {state}  {row.name}")


@keys.command("revoke", epilog="Example: rnalearner key revoke 6b04bd75ede8d8e30177")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `rnalearner key list` prints it.")],
    data: _Data = None,
    database_url: _Url = None,
) -> None:
    """Revoke a key: a running gateway refuses it within seconds."""
    from service.store.keys import revoke_key

    with _database(data, database_url) as database, database.write() as connection:
        found = revoke_key(connection, key_id)
    if not found:
        raise InputError(f"key {key_id}", "does not exist", "see `rnalearner key list`")


@contextmanager
def _database(data: Path | None, url: str | None) -> "Iterator[Database]":
    """The gateway's database; a mistyped folder is an error, not a new one."""
    from service.store.database import Database

    settings = _settings(data=data, database_url=url)
    if settings.database_url is None and not (settings.data / "gateway.db").exists():
        raise InputError(settings.data, "holds no gateway's data", "name the folder that `serve` uses")
    database = Database(settings.url)
    try:
        with _database_faults(settings):
            database.migrate()
            yield database
    finally:
        database.close()


@contextmanager
def _database_faults(settings: "Settings") -> Iterator[None]:
    """Whatever the database refuses, as one sentence, without the URL's password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        what, remedy = f"does not do what was asked ({lines[0]})", "check --database-url, and its server"
        raise GatewayError(make_url(settings.url).render_as_string(), what, remedy) from None
