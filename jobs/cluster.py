"""`rnalearner cluster`: Ray with several nodes on this machine, closed to others. Heavy imports inside."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnalearner.errors import ClusterError

if TYPE_CHECKING:
    from cluster.up import ClusterStatus, LocalCluster

app = typer.Typer(no_args_is_help=True)

_Folder = Annotated[
    Path | None, typer.Option("--folder", help="What remembers it; by default one of the user's state.")
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")]


@app.command(epilog="Example: rnalearner cluster up --workers 2 --cpus-per-worker 4")
def up(
    workers: Annotated[int, typer.Option(min=1, help="Nodes beside the head, which computes nothing.")] = 2,
    cpus_per_worker: Annotated[
        int | None, typer.Option(min=1, help="By default they share this machine's; its GPUs always.")
    ] = None,
    object_store_mb: Annotated[int, typer.Option(min=80, help="Shared memory of each node.")] = 300,
    folder: _Folder = None,
    as_json: _AsJson = False,
) -> None:
    """Start it; it goes on until `rnalearner cluster down`.

    It listens on loopback alone and asks everybody for the token in ~/.ray/auth_token. Whoever has
    that runs code as you: one cluster is one trust domain.
    """
    from jobs.ending import sigterm_interrupts

    with sigterm_interrupts():
        status = _cluster(folder).up(workers, cpus_per_worker, object_store_mb)
    if as_json:
        typer.echo(json.dumps(_told(status)))
        return
    _print(status)
    typer.echo(
        f"Try: rnalearner submit run jobs/recipes/demo.toml --address {status.jobs_address} "
        "--out runs/demo --wait"
    )


@app.command(epilog="Example: rnalearner cluster status --json")
def status(folder: _Folder = None, as_json: _AsJson = False) -> None:
    """Its nodes, addresses and processes; exit code 1 where it is not up, or not all of it."""
    found = _cluster(folder)
    seen = found.status()
    if as_json:
        typer.echo(json.dumps(_told(seen)))
    else:
        _print(seen)
    lost = seen.workers + 1 - seen.alive
    if lost > 0:
        what = f"{lost} of {seen.workers + 1} nodes died or did not join"
        raise ClusterError(found.folder, what, "end the rest with `rnalearner cluster down`, then start anew")


@app.command(epilog="Example: rnalearner cluster down")
def down(folder: _Folder = None) -> None:
    """End all of it, its jobs too, and nothing else."""
    found = _cluster(folder)
    ended = found.down()
    typer.echo(f"The cluster of {found.folder} {'is down' if ended else 'was not up'}.")


def _cluster(folder: Path | None) -> "LocalCluster":
    from platformdirs import user_state_path

    from cluster.up import LocalCluster

    return LocalCluster((folder or user_state_path("rnalearner") / "cluster").resolve())


def _told(status: "ClusterStatus") -> dict[str, object]:
    return {**asdict(status), "alive": status.alive, "refuses_strangers": True}


def _print(status: "ClusterStatus") -> None:
    typer.echo(f"{status.alive} of {status.workers + 1} nodes are up; strangers are refused.")
    for node in status.nodes:
        amounts = ", ".join(f"{name} {amount:g}" for name, amount in sorted(node["resources"].items()))
        typer.echo(f"  {node['id'][:12]}  {'alive' if node['alive'] else 'dead '}  {amounts}")
    typer.echo(f"Processes: {', '.join(map(str, status.pids))}")
    typer.echo(f"Jobs:      {status.jobs_address} (serve --ray-address, submit --address)")
    typer.echo(f"Drivers:   {status.ray_address} (--ray.address)")
