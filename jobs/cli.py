"""The `rnalearner` command: a verb a job. Heavy imports happen inside a verb, so help is quick."""

import errno
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs import benchmark, cluster, guide, public
from jobs.aliases import ALIASES
from jobs.annotation import annotation
from jobs.remote import data, job, model
from jobs.remote.page import open_page
from jobs.serve import keys, serve
from rnalearner import __version__
from rnalearner.errors import RnalearnerError
from rnalearner.publish import DISK_FAULTS

VERBS = {
    "run": "All phases, from counts to the report; what is complete is skipped.",
    "ingest": "Count tables to shards.",
    "grow": "More studies for the shards of a run; what is there keeps its bytes.",
    "explore": "PCA, sample clusters, pictures.",
    "genes": "Gene-level scouts and the gene guide: one number a gene.",
    "gene2vec": "Gene vectors from co-expression.",
    "pretrain": "Phase I: masked-bin pretraining.",
    "scout": "Phase II: scouts and their guide.",
    "linear": "The guided linear model, which trains in a second, and the linear rivals.",
    "tune": "Search fine-tuning settings; best.toml is a recipe with the best ones.",
    "finetune": "Phase III: few-shot fine-tuning of the encoder.",
    "report": "One HTML file, its figures, summary.json, answers.json, predictions.h5ad.",
    "export": "A model for others: base checkpoint, guide, genes, and a card.",
    "predict": "What a run's classifiers say of new samples: h5ad, Parquet, CSV.",
}

_OF_THE_FOLDER = DISK_FAULTS | {errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ENOTDIR}
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
    _reach_this_machine_directly()


def _reach_this_machine_directly() -> None:
    """Where a proxy is set for all that is asked, as many universities do, it knows nothing of our ports."""
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if named.strip() != "*":
        hosts = [host.strip() for host in named.split(",") if host.strip()]
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(
            dict.fromkeys([*hosts, "localhost", "127.0.0.1", "::1"])
        )


_Out = Annotated[Path | None, typer.Option("--out", "-o", help="The run's folder; by default runs/NAME.")]
_Needs = Annotated[
    bool, typer.Option("--needs", help="Run first what this builds on, where it is not complete.")
]
_From = Annotated[
    Path | None,
    typer.Option("--from", help="Folder of a run whose Phase I this one goes on from, without repeating it."),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
_FIELDS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""The other options are fields of a recipe."""


def _add_verb(name: str, summary: str) -> None:
    short = ", ".join(f"--{alias} ({field})" for alias, field in ALIASES.items())
    archives = f"\n\n{public.HELP}" if name == "ingest" else ""
    example = f"Example: rnalearner {name} jobs/recipes/demo.toml --out runs/demo --seeds 3"

    @app.command(
        name,
        help=summary,
        epilog=f"Any field of a recipe is an option (`rnalearner fields`); in short: {short}."
        f"\n\n{example}{archives}",
        context_settings=_FIELDS,
    )
    def verb(
        context: typer.Context,
        recipe: Annotated[
            Path | None,
            typer.Argument(help="TOML recipe. Left out: the run's own, or else the defaults."),
        ] = None,
        out: _Out = None,
        with_needs: _Needs = False,
        source: _From = None,
        attempt: Annotated[
            int | None,
            typer.Option(
                min=1, help="Number of this attempt, where somebody counts; else the next free one."
            ),
        ] = None,
        as_json: _AsJson = False,
    ) -> None:
        words = [*([str(recipe)] if recipe is not None else []), *context.args]
        if name == "ingest":
            words = public.spelled_out(words, out)
        _run(name, words, out, with_needs, source, attempt, as_json)


for _name, _summary in VERBS.items():
    _add_verb(_name, _summary)


@app.command(
    epilog="Example: rnalearner submit run jobs/recipes/demo.toml --address http://head:8265 "
    "--out /shared/runs/demo --wait",
    context_settings=_FIELDS,
)
def submit(
    context: typer.Context,
    verb: Annotated[str, typer.Argument(help="What to run: ingest, pretrain, run, ...")],
    recipe: Annotated[
        Path | None, typer.Argument(help="TOML recipe. Left out: the run's own, or else the defaults.")
    ] = None,
    *,
    address: Annotated[
        str, typer.Option("--address", help="The cluster's dashboard, such as http://head:8265.")
    ],
    out: _Out = None,
    with_needs: _Needs = False,
    source: _From = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow the job to its end, and end with its exit code.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """Run a verb as a job of a Ray cluster; --out must lie on storage that its hosts share."""
    from jobs.submit import exit_code, followed, submitted

    words = [*([str(recipe)] if recipe is not None else []), *context.args]
    words = [verb, *(public.spelled_out(words, out) if verb == "ingest" else words)]
    job = submitted(words, VERBS, address, out, with_needs, source)
    told: dict[str, Any] = {"id": job.id, "attempt": job.attempt, "out": str(job.layout.root)}
    if not as_json:
        typer.echo(job.id)
    code = 0
    if wait:
        result = followed(job)
        told["result"], code = result, exit_code(result)
        if result["error"]:
            typer.echo("error: {where}: {what}; {remedy}.".format(**result["error"]), err=True)
        elif result["status"] == "STOPPED":
            typer.echo("stopped: submit it again to go on from here.", err=True)
        elif code == 0 and not as_json:
            markers = {name: {"figures": figures} for name, figures in result["figures"].items()}
            for line in _closing_lines(markers, job.layout.report):
                typer.echo(line)
    if as_json:
        typer.echo(json.dumps(told, allow_nan=False))
    raise typer.Exit(code)


def _run(
    verb: str,
    words: list[str],
    out: Path | None,
    with_needs: bool,
    source: Path | None,
    attempt: int | None,
    as_json: bool,
) -> None:
    from jobs.fork import fork
    from jobs.options import resolved
    from jobs.progress import shown_progress
    from jobs.record import recorded
    from jobs.run import PIPELINE, run_verb
    from rnalearner.layout import RunLayout

    # A person's slip leaves no trace, that of a job is recorded: who counts attempts wants to know.
    config = None
    if attempt is None or out is None:
        config = resolved(words, out)
        out = out or Path("runs") / config.name
    layout = RunLayout(out.resolve())  # workers run in folders of their own
    with recorded(layout, verb, PIPELINE, attempt) as record, shown_progress() as shown:
        config = config or resolved(words, out)
        if source is not None:
            fork(RunLayout(source.resolve()), layout)
        progress = record.progress(shown)
        markers = run_verb(verb, config, layout, progress, with_needs, record.phase)
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


app.command(
    epilog="Example: rnalearner serve --data gateway. Every setting is also a variable RNALEARNER_<NAME>."
)(serve)
app.command("open", epilog="Example: rnalearner open")(open_page)
app.command(
    epilog="Example: rnalearner annotation gencode.vM23.annotation.gtf.gz --out genes.csv, then data.genes = "
    '"genes.csv".'
)(annotation)
app.add_typer(benchmark.app, name="benchmark", help="The few-shot yardstick, and (prepare) the runs it asks.")
app.add_typer(cluster.app, name="cluster", help="Ray with several nodes on this machine: up, status, down.")
app.add_typer(guide.app, name="guide", help="What scouts agree on: shown, compared, merged.")
app.add_typer(keys, name="key")
app.add_typer(data.app, name="data")
app.add_typer(job.app, name="job")
app.add_typer(model.app, name="model")


def main() -> None:
    """Run the command line; a RnalearnerError becomes one sentence and its exit code."""
    try:
        app()
    except RnalearnerError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in _OF_THE_FOLDER:
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = "there is no space left; make room and run the same command again: it goes on from here"
        else:
            what = f"{error.strerror}; choose another --out"
        typer.echo(f"error: {error.filename or 'the disk'}: {what}.", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("interrupted: run the same command again to go on from here.", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
