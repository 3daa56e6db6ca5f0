"""`rnalearner model`: what a gateway can start from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.remote.connection import AsJson, Server, connect

app = typer.Typer(no_args_is_help=True, help="Published models of a gateway, with their cards.")


@app.command("list")
def list_models(server: Server = None, as_json: AsJson = False) -> None:
    """Every model that your jobs may start from."""
    with connect(server) as client:
        found = client.get("/v1/models")["items"]
    if as_json:
        typer.echo(json.dumps(found))
        return
    for model in found:
        has = {"guide": model["has_guide"], "gene guide": model["has_gene_guide"]}
        guides = ", ".join(name for name, there in has.items() if there) or "no guide"
        typer.echo(f"{model['id']:<28} {model['n_genes']:>6} genes  {guides:<17}  {model['name']}")


@app.command()
def show(model: str, server: Server = None) -> None:
    """A model's card, as JSON."""
    with connect(server) as client:
        typer.echo(json.dumps(client.get(f"/v1/models/{model}"), indent=2))


@app.command(epilog="Example: rnalearner model add runs/osd/export/model --data gateway --name osd")
def add(
    folder: Annotated[Path, typer.Argument(help="What `rnalearner export` made: a run's export/model.")],
    name: Annotated[str, typer.Option(help="What the gateway calls it.")],
    data: Annotated[Path, typer.Option(help="The gateway's data folder, on this machine.")] = Path("gateway"),
) -> None:
    """Offer an exported model to everybody who has a key of this gateway."""
    from jobs.export import add_model

    typer.echo(f"{name}: {add_model(folder, data / 'models', name)}")
