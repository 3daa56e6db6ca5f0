"""`rnalearner guide`: a guide shown, two compared, several merged. Heavy imports inside."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from rnalearner.report.guide_words import ScoutedGuide

app = typer.Typer(no_args_is_help=True)

_PLACE = "A run's folder, a merged guide's, or a movement (RUN/scout/movement)"
_Run = Annotated[Path, typer.Argument(help=f"{_PLACE}.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
# As in rnalearner.config.scouting, which would make `--help` slow.
_Measure = Literal["squared", "absolute", "signal_to_noise"]
_Scaling = Literal["per_tensor", "model_wide"]
_IDENTITY = ("gene_set", "scale", "n_bins", "model")
"""Of a guide's `meta`: what those who load it ask for."""
_WORDS = ("layer", "gene", "symbol")


@app.command(epilog="Example: rnalearner guide show runs/osd")
def show(run: _Run, as_json: _AsJson = False) -> None:
    """Where a guide comes from, how it converged, what moved by layer and by gene."""
    from rnalearner.report.guide_words import course, read_guide, told, where_from

    found = told(read_guide(run))
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
        return
    for line in [*where_from(found["provenance"]), course(found["versions"], found["guide_agreement"])]:
        typer.echo(line)
    _print_table(found["layers"], ["layer", "parameters", "moved", "share", "agreement"])
    genes = found["genes"]
    if not genes:
        typer.echo("Its genes cannot be named: the shards that name them are gone, or are of other genes.")
        return
    symbol = ["symbol"] if any(row["symbol"] for row in genes) else []
    _print_table(genes, ["gene", *symbol, "moved", "times_median"])


@app.command(epilog="Example: rnalearner guide compare runs/osd runs/other")
def compare(run_a: _Run, run_b: _Run, as_json: _AsJson = False) -> None:
    """How far two guides agree, over parameters and over genes, and how many scouts they share."""
    from rnalearner.report.guide_words import comparison, in_sentences, read_guide

    found = comparison(read_guide(run_a), read_guide(run_b))
    for line in [json.dumps(found, allow_nan=False)] if as_json else in_sentences(found, (run_a, run_b)):
        typer.echo(line)


@app.command(
    epilog="FOLDER/guide is a guide as RUN/scout/guide is; further scouts join FOLDER/movement with "
    "--scouting.onto.\n\nExample: rnalearner guide merge runs/a runs/b --out runs/both"
)
def merge(
    runs: Annotated[list[Path], typer.Argument(help=f"Two or more, each one of: {_PLACE}.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder: guide, movement, tables.")],
    measure: Annotated[_Measure | None, typer.Option("--measure", help="By default, that of all.")] = None,
    scaling: Annotated[_Scaling | None, typer.Option("--scaling", help="By default, that of all.")] = None,
    as_json: _AsJson = False,
) -> None:
    """One guide of the scouts of several runs from one base checkpoint."""
    if len(runs) < 2:
        raise typer.BadParameter("name two runs or more", param_hint="RUNS")
    from rnalearner.report.guide_words import counted, read_guide, short_list

    made = merged([read_guide(run) for run in runs], out.resolve(), measure, scaling)
    if as_json:
        typer.echo(json.dumps(made, allow_nan=False))
        return
    typer.echo(f"{counted(made['scouts'], 'scout')} of runs {short_list(made['merged_from'])}.")
    if not made["genes_named"]:
        typer.echo("Without a table of genes: none of the runs has the shards that name them.")
    typer.echo(f"Guide: {made['guide']}")


def merged(
    guides: Sequence["ScoutedGuide"], out: Path, measure: _Measure | None, scaling: _Scaling | None
) -> dict[str, Any]:
    """Write the guide of all scouts to `out`, whole or not at all: movement, guide, tables, genes.txt.

    The same bits whatever the order of `guides`. Raises InputError where `out` is taken, CheckpointError
    where a scout comes twice, or they differ in base checkpoint, weighing, genes, measure or scaling.
    """
    from functools import reduce

    from rnalearner.checkpoint import check_same
    from rnalearner.errors import InputError
    from rnalearner.guide.artefact import TOLD, guide_tables
    from rnalearner.guide.movement import Movement
    from rnalearner.guide.scaling import Guide, scaled
    from rnalearner.publish import publish_folder, write_text
    from rnalearner.report.guide_words import GENES
    from rnalearner.spreadsheet import write_csv

    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(out, "is there already", "name a new folder for the merged guide")
    same = {name: guides[0].meta.get(name) for name in _IDENTITY}
    for guide in guides:
        check_same(guide.folder, guide.meta, same)
    guides = sorted(guides, key=lambda guide: [(m.run, m.scout_id) for m in guide.movement.members])
    movement = reduce(Movement.merged, [guide.movement for guide in guides])
    measure = measure or _of_all("measure", guides)
    scaling = scaling or _of_all("scaling", guides)
    members = movement.members
    runs = list(dict.fromkeys(member.run for member in members))
    meta = same | {name: _joined(name, guides) for name in TOLD}
    meta |= {"base_checkpoint": movement.base_checkpoint, "weighing": movement.weighing}
    meta |= {"measure": measure, "scaling": scaling, "merged_from": runs}
    meta |= {"scouts": [member.scout_id for member in members]}
    genes = next((guide.genes for guide in guides if guide.genes is not None), None)
    with publish_folder(out) as temporary:
        movement.save(temporary / "movement", meta)
        digest = Guide(scaled(movement.measured(measure), scaling), meta).save(temporary / "guide")
        for name, table in guide_tables(movement, genes).items():
            write_csv(temporary / f"guide_{name}.csv", table)
        if genes is not None:
            write_text(temporary / GENES, "".join(f"{gene}\n" for gene in genes))
    return {
        "out": str(out),
        "guide": str(out / "guide"),
        "movement": str(out / "movement"),
        "scouts": len(members),
        "merged_from": runs,
        "measure": measure,
        "scaling": scaling,
        "sha256": digest,
        "genes_named": genes is not None,
    }


def _of_all(name: str, guides: Sequence["ScoutedGuide"]) -> Any:
    """A setting that all share; raises CheckpointError where they do not."""
    from rnalearner.errors import CheckpointError

    found = list(dict.fromkeys(str(guide.meta.get(name)) for guide in guides))
    if len(found) > 1:
        what = f"differ in their {name} ({', '.join(found)})"
        raise CheckpointError("guides", what, f"choose one with --{name}")
    return guides[0].meta.get(name)


def _joined(name: str, guides: Sequence["ScoutedGuide"]) -> Any:
    """What they say of a thing; in words where they differ."""
    found = list(dict.fromkeys(str(guide.meta.get(name)) for guide in guides))
    return guides[0].meta.get(name) if len(found) == 1 else " and ".join(found)


def _print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name.replace("_", " "), justify="left" if name in _WORDS else "right")
    for row in rows:
        cells = ("-" if row[name] is None else row[name] for name in columns)
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells))
    Console(markup=False, highlight=False, emoji=False).print(table)
