"""`rnalearner job`: what a gateway does for you."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.remote.connection import AsJson, Server, connect
from rnalearner.errors import GatewayError

if TYPE_CHECKING:
    from service.client import GatewayClient

app = typer.Typer(no_args_is_help=True, help="Jobs of a gateway: submit, watch, fetch results.")

Job = Annotated[str, typer.Argument(help="Id, its first characters, label, or `last`.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results.")]


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: rnalearner job submit linear --train osd105 --label flight --watch",
)
def submit(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="linear, finetune, tune, predict, explore, pretrain or scout.")],
    label: Annotated[str, typer.Option(help="A word of your own, to find it again.")] = "",
    follow: Annotated[bool, typer.Option("--watch", help="Stay until it has ended.")] = False,
    out: Out = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Submit a job; its params are options: --train X --arms none,guided --settings.epochs 20.

    Datasets and jobs may be called by name, label, or the first characters of their ids. With --out the
    results are fetched at the end.
    """
    from jobs.remote.params import parse_params, with_ids

    params = parse_params(kind, context.args)
    with connect(server) as client:
        body = {"kind": kind, "label": label, "params": with_ids(client, params)}
        job = client.post("/v1/jobs", body)
        if follow or out is not None:
            if not as_json:
                typer.echo(f"{kind} {job['id']}")
            _finish(client, job["id"], out, as_json)
            return
    typer.echo(json.dumps(job) if as_json else f"{job['id']}  {job['status']}")


@app.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="Only these, e.g. RUNNING.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Your jobs, newest first."""
    with connect(server) as client:
        found = list(client.pages("/v1/jobs", limit, status=status))
    if as_json:
        typer.echo(json.dumps(found))
        return
    for job in found:
        typer.echo(f"{job['id']}  {job['kind']:<9} {job['status']:<10} {_stands(job):<24} {job['label']}")


@app.command()
def show(job: Job, server: Server = None, as_json: AsJson = False) -> None:
    """How a job stands."""
    from jobs.remote.find import find_job
    from jobs.remote.watch import ended_line

    with connect(server) as client:
        found = find_job(client, job)
    typer.echo(json.dumps(found) if as_json else f"{ended_line(found)} {_stands(found)}".rstrip())


@app.command("watch")
def watch_job(job: Job, out: Out = None, server: Server = None, as_json: AsJson = False) -> None:
    """Follow a job until it has ended; reconnects. The exit code is the job's own."""
    from jobs.remote.find import find_job

    with connect(server) as client:
        _finish(client, find_job(client, job)["id"], out, as_json)


@app.command()
def logs(
    job: Job,
    attempt: Annotated[int | None, typer.Option(help="By default the last.")] = None,
    server: Server = None,
) -> None:
    """What a job printed."""
    from jobs.remote.find import find_job

    with connect(server) as client:
        found = find_job(client, job)
        query = {} if attempt is None else {"attempt": attempt}
        typer.echo(client.text(f"/v1/jobs/{found['id']}/logs", **query), nl=False)


@app.command()
def cancel(job: Job, server: Server = None, as_json: AsJson = False) -> None:
    """Ask a job to stop."""
    _ask(job, "cancel", server, as_json)


@app.command()
def retry(job: Job, server: Server = None, as_json: AsJson = False) -> None:
    """Run a failed or stopped job again."""
    _ask(job, "retry", server, as_json)


@app.command()
def results(job: Job, out: Out = None, server: Server = None, as_json: AsJson = False) -> None:
    """List what a job made; with --out, fetch it."""
    from jobs.remote.find import find_job

    with connect(server) as client:
        found = find_job(client, job)
        made = client.get(f"/v1/jobs/{found['id']}/results")
        if out is not None:
            _fetch(client, made, out)
    if as_json:
        typer.echo(json.dumps(made))
        return
    for file in made["files"]:
        typer.echo(str(out / file["path"]) if out else f"{file['bytes']:>12}  {file['path']}")


def _finish(client: "GatewayClient", job: str, out: Path | None, as_json: bool) -> None:
    from jobs.remote.watch import ended_line, exit_code, watch

    ended = watch(client, job)
    fetched = None
    if ended["status"] == "SUCCEEDED" and out is not None:
        fetched = client.get(f"/v1/jobs/{job}/results")
        _fetch(client, fetched, out)
    typer.echo(json.dumps(ended | {"results": fetched}) if as_json else ended_line(ended))
    if fetched is not None and not as_json:
        typer.echo(f"{len(fetched['files'])} files in {out}")
    code = exit_code(ended)
    if code:
        raise typer.Exit(code)


def _fetch(client: "GatewayClient", made: dict[str, Any], out: Path) -> None:
    root = out.resolve()
    for file in made["files"]:
        target = (root / file["path"]).resolve()
        if root not in target.parents:  # whoever answers, nothing is written elsewhere
            raise GatewayError(file["path"], f"would be written outside {out}", "ask who runs the gateway")
        client.download(file["link"], target, file["sha256"])


def _ask(job: str, verb: str, server: str | None, as_json: bool) -> None:
    from jobs.remote.find import find_job

    with connect(server) as client:
        found = client.post(f"/v1/jobs/{find_job(client, job)['id']}:{verb}")
    typer.echo(json.dumps(found) if as_json else f"{found['id']}  {found['status']}")


def _stands(job: dict[str, Any]) -> str:
    if job["queue_position"] is not None:
        return f"{job['queue_position']} before it"
    progress = job["progress"] if job["status"] == "RUNNING" else None
    if progress is None:
        return ""
    left = progress.get("remaining_s")
    return f"{progress['label']} {progress['done']}/{progress['total']}" + (
        f", {left:.0f} s left" if left else ""
    )
