"""`rnalearner data`: datasets of a gateway."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.remote.connection import AsJson, Server, connect
from rnalearner.errors import InputError

if TYPE_CHECKING:
    from service.client import GatewayClient

app = typer.Typer(no_args_is_help=True, help="Datasets of a gateway: upload, check, list, delete.")

Table = Annotated[Path, typer.Argument(help="CSV, TSV (gzipped or not) or h5ad of counts.")]
Labels = Annotated[
    Path | None, typer.Option("--labels", help="Sheet: first column samples, a column of groups.")
]
Dataset = Annotated[str, typer.Argument(help="Name, id, or the id's first characters.")]


@app.command(
    epilog="Example: rnalearner data upload GLDS-105_rna_seq_Unnormalized_Counts.csv.gz --labels s.csv"
)
def upload(
    table: Table,
    labels: Labels = None,
    name: Annotated[str | None, typer.Option(help="What to call it; by default the file's name.")] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Upload a table and its labels, and wait for the report."""
    from jobs.progress import shown_progress

    _there(table, labels)
    with connect(server) as client, shown_progress() as progress:
        dataset = client.upload(
            table, name or table.name, lambda sent, size: progress("upload", sent >> 20, max(1, size >> 20))
        )
        if labels is not None:
            dataset = client.put_labels(dataset["id"], labels)
        dataset = _validated(client, dataset)
    if as_json:
        typer.echo(json.dumps(dataset))
    else:
        typer.echo(f"{dataset['name']}: {dataset['state']} {dataset['id'][:12]}")
        _tell(dataset["report"])
    _refuse(dataset["problem"])


@app.command()
def validate(table: Table, labels: Labels = None, server: Server = None, as_json: AsJson = False) -> None:
    """What a gateway would say of a table; nothing is stored."""
    _there(table, labels)
    with connect(server) as client:
        report = client.validate(table, labels)
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _tell(report)


@app.command("list")
def list_datasets(server: Server = None, as_json: AsJson = False) -> None:
    """Your datasets, newest first."""
    with connect(server) as client:
        found = list(client.pages("/v1/datasets"))
    if as_json:
        typer.echo(json.dumps(found))
        return
    for dataset in found:
        size = (
            f"{dataset['report']['n_samples']} samples" if dataset["report"] else f"{dataset['bytes']} bytes"
        )
        typer.echo(f"{dataset['id'][:12]}  {dataset['state']:<10}  {size:<12}  {dataset['name']}")


@app.command()
def show(dataset: Dataset, server: Server = None, as_json: AsJson = False) -> None:
    """The report of one dataset."""
    from jobs.remote.find import find_dataset

    with connect(server) as client:
        found = find_dataset(client, dataset)
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(f"{found['name']}: {found['state']} {found['id']}")
    _tell(found["report"])
    if found["problem"]:
        typer.echo("{where}: {what}; {remedy}.".format(**found["problem"]))


@app.command()
def delete(dataset: Dataset, server: Server = None) -> None:
    """Remove a dataset and all that derives from it."""
    from jobs.remote.find import find_dataset

    with connect(server) as client:
        found = find_dataset(client, dataset)
        client.delete(f"/v1/datasets/{found['id']}")
    typer.echo(f"{found['name']}: removed, with every job that used it")


def _there(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not path.is_file():
            raise InputError(path, "there is no such file", "correct the path")


def _validated(client: "GatewayClient", dataset: dict[str, Any]) -> dict[str, Any]:
    while dataset["state"] == "VALIDATING":
        time.sleep(0.2)
        dataset = client.get(f"/v1/datasets/{dataset['id']}")
    return dataset


def _tell(report: dict[str, Any] | None) -> None:
    if report is None:
        return
    typer.echo(
        f"{report['n_samples']} samples, {report['n_genes']} genes in {report['orientation']} "
        f"({report['id_type']}), {report['share_matched']:.0%} known, "
        f"{'whole' if report['integer'] else 'fractional'} counts, "
        f"{report['total_min']:.3g} to {report['total_max']:.3g} reads a sample"
    )
    for column in report["columns"]:
        values = ", ".join(f"{value} {count}" for value, count in list(column["values"].items())[:6])
        more = ", ..." if column["n_values"] > 6 else ""
        mark = " (groups)" if column["name"] == report["label_column"] else ""
        typer.echo(f"  {column['name']}{mark}: {values}{more}")
    for model, share in report["models"].items():
        typer.echo(f"  measures {share:.0%} of the genes of model {model}")
    for warning in report["warnings"]:
        typer.echo("  ! {where}: {what}; {remedy}.".format(**warning))
    for note in report["notes"]:
        typer.echo(f"  {note}")


def _refuse(problem: dict[str, str] | None) -> None:
    if problem is not None:
        raise InputError(problem["where"], problem["what"], problem["remedy"])
