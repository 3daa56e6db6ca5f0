"""The `rnalearner` command: a verb a job. Heavy imports happen inside a verb, so help is quick."""

import errno
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.aliases import ALIASES
from rnalearner import __version__
from rnalearner.errors import RnalearnerError

VERBS = {
    "run": "All phases, from counts to the report; what is complete is skipped.",
    "ingest": "Count tables to shards.",
    "explore": "PCA, sample clusters, pictures.",
    "gene2vec": "Gene vectors from co-expression.",
    "pretrain": "Phase I: masked-bin pretraining.",
    "scout": "Phase II: scouts and their guide.",
    "finetune": "Phase III: few-shot fine-tuning, with the linear arms.",
    "report": "One HTML file, summary.json, predictions.h5ad.",
}

_OF_THE_DISK = (errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOSPC, errno.EROFS)
"""Faults of the folder that a run is written to; others are ours, and keep their traceback."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Learn from public RNA-seq, then classify a tiny labelled set. Every option of a verb is a "
    "field of its recipe (`rnalearner fields` lists them): `rnalearner run r.toml --pretrain.max_steps 50`.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    # From the first start, and before Ray is imported: an open cluster runs anybody's code.
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def _add_verb(name: str, summary: str) -> None:
    short = ", ".join(f"--{alias} ({field})" for alias, field in ALIASES.items())
    example = f"Example: rnalearner {name} jobs/recipes/demo.toml --out runs/demo --seeds 3"

    @app.command(
        name,
        help=summary,
        epilog=f"Any field of a recipe is an option (`rnalearner fields`); in short: {short}.\n\n{example}",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def verb(
        context: typer.Context,
        recipe: Annotated[
            Path | None,
            typer.Argument(help="TOML recipe. Left out: the run's own, or else the defaults."),
        ] = None,
        out: Annotated[
            Path | None, typer.Option("--out", "-o", help="The run's folder; by default runs/NAME.")
        ] = None,
        with_needs: Annotated[
            bool, typer.Option("--needs", help="Run first what this builds on, where it is not complete.")
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    ) -> None:
        _run(name, recipe, list(context.args), out, with_needs, as_json)


for _name, _summary in VERBS.items():
    _add_verb(_name, _summary)


def _run(
    verb: str, recipe: Path | None, words: list[str], out: Path | None, with_needs: bool, as_json: bool
) -> None:
    from jobs.adopt import started_from
    from jobs.options import parse_options, take_recipe
    from rnalearner.config import load_recipe
    from rnalearner.layout import RunLayout

    recipe, words = take_recipe([*([str(recipe)] if recipe is not None else []), *words])
    if recipe is None and out is not None and RunLayout(out).recipe.exists():
        recipe = RunLayout(out).recipe
    config = started_from(load_recipe(recipe, parse_options(words)))
    # Workers run in folders of their own.
    layout = RunLayout((out or Path("runs") / config.name).resolve())

    from jobs.progress import shown_progress
    from jobs.run import run_verb

    with shown_progress() as progress:
        markers = run_verb(verb, config, layout, progress, with_needs)
    if as_json:
        typer.echo(json.dumps({"out": str(layout.root), "phases": markers}, allow_nan=False))
    else:
        for line in _closing_lines(markers, layout.report):
            typer.echo(line)


def _closing_lines(markers: dict[str, Any], report: Path) -> list[str]:
    if "report" not in markers:
        return [
            f"{name}: " + ", ".join(f"{key} {value}" for key, value in marker["figures"].items())
            for name, marker in markers.items()
        ]
    return [*markers["report"]["figures"]["verdict"], f"Report: {report / 'index.html'}"]


@app.command(epilog="Example: rnalearner fields pretrain")
def fields(
    section: Annotated[str, typer.Argument(help="Only this section.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print as one JSON object.")] = False,
) -> None:
    """Every field of a recipe: its default and its meaning."""
    from jobs.options import recipe_fields

    short = {field: alias for alias, field in ALIASES.items()}
    rows = {
        name: {
            "default": str(field.get_default(call_default_factory=True)),
            "meaning": " ".join((field.description or "").split()),
            "alias": short.get(name),
        }
        for name, field in recipe_fields()
        if name.startswith(section)
    }
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for name, row in rows.items():
        alias = f" (--{row['alias']})" if row["alias"] else ""
        typer.echo(f"{name} = {row['default']}{alias}\n    {row['meaning']}")


def main() -> None:
    """Run the command line; a RnalearnerError becomes one sentence and its exit code."""
    try:
        app()
    except RnalearnerError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        typer.echo(
            f"error: {error.filename or 'the disk'}: {error.strerror}; choose another --out.", err=True
        )
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("interrupted: run the same command again to go on from here.", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
