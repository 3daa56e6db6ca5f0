"""`rnalearner benchmark`: the few-shot yardstick, and the runs that it asks. Heavy imports inside."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from jobs.phase import Figures

_ITSELF = "measure"
_FIELDS = {"allow_extra_args": True, "ignore_unknown_options": True}


class _WithoutVerb(TyperGroup):
    """`benchmark --tasks ...` is the benchmark itself; only `benchmark prepare` names a verb."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(args) if args[:1] == ["prepare"] else [_ITSELF, *args])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return "" if name == _ITSELF else name, command, rest


app = typer.Typer(cls=_WithoutVerb)

_Compendium = Annotated[
    list[Path],
    typer.Option(
        "--compendium", help="Folder of samples.csv and <study>.tsv.gz; repeat it for more folders."
    ),
]
_Tasks = Annotated[
    Path,
    typer.Option("--tasks", help="CSV: task, study (A, A+B or A->B), column, positive, negative, family."),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


@app.command(
    _ITSELF,
    context_settings=_FIELDS,
    epilog="The runs are made by `rnalearner benchmark prepare`. A recipe's fields finetune.*, linear.* and "
    "ray.* are options, too.\n\nExample: rnalearner benchmark --compendium data/compendium --tasks "
    "data/compendium/tasks.csv --runs runs/yardstick --out runs/yardstick/linear --arms linear",
)
def benchmark(
    context: typer.Context,
    compendium: _Compendium,
    tasks: _Tasks,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results; go on where it stopped.")],
    runs: Annotated[
        Path | None, typer.Option("--runs", help="Folder of one run a fold; linear arms may do without.")
    ] = None,
    arms: Annotated[
        str | None, typer.Option("--arms", help="a,b: names of arms; `linear`, `encoder`: all of a kind.")
    ] = None,
    draws: Annotated[int | None, typer.Option("--draws", help="Draws a task and k; by default 30.")] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", help="Trainings of an arm that depends on chance; by default 5.")
    ] = None,
    k: Annotated[
        str | None, typer.Option("--k", help="Training samples a class; by default 1,2,3,6.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option("--preset", help="quick: k 1,3,6; 10 draws; 3 seeds; four encoder arms, three linear."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Begin nothing after so long; a later call goes on.")
    ] = None,
    min_cpm: Annotated[
        float | None, typer.Option("--min-cpm", help="Mean CPM that a task's genes exceed; by default 1.")
    ] = None,
    permutations: Annotated[
        str | None, typer.Option("--permutations", help="a,b: linear arms to permute labels for; none: ''.")
    ] = None,
    draws_per_piece: Annotated[
        int | None, typer.Option("--draws-per-piece", help="Draws stored as one piece; by default 10.")
    ] = None,
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="Go on where a run saw a task before, and report it.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """The few-shot yardstick: every arm on the same draws, with intervals over families of tasks.

    It goes on where it was interrupted, and adds what a larger question asks for.
    """
    from jobs.measure import measure
    from jobs.options import parse_options
    from jobs.progress import shown_progress
    from jobs.record import recorded
    from rnalearner.config.benchmark import benchmark_settings
    from rnalearner.layout import BenchmarkLayout, RunLayout

    given = {
        "compendium": [folder.resolve() for folder in compendium],
        "tasks": tasks.resolve(),
        "runs": None if runs is None else runs.resolve(),
        "arms": _words(arms),
        "k": _words(k),
        "draws": draws,
        "seeds": seeds,
        "seconds": seconds,
        "min_cpm": min_cpm,
        "permutations": _words(permutations),
        "draws_per_piece": draws_per_piece,
        "allow_leak": allow_leak,
    }
    settings, options = benchmark_settings(given, preset), parse_options(context.args)
    out = out.resolve()
    with recorded(RunLayout(out), "benchmark", {}) as record, shown_progress() as shown:
        found = measure(settings, options, BenchmarkLayout(out), record.progress(shown))
    if as_json:
        typer.echo(json.dumps({"out": str(out), **found}, allow_nan=False))
        return
    for line in _closing_lines(found):
        typer.echo(line)


@app.command(
    "prepare",
    context_settings=_FIELDS,
    epilog="Every field of the recipe is an option (`rnalearner fields`).\n\nExample: rnalearner benchmark "
    "prepare --compendium data/compendium --tasks data/compendium/tasks.csv --runs runs/yardstick "
    "--pretrain.max_steps 100",
)
def prepare(
    context: typer.Context,
    recipe: Annotated[
        Path | None, typer.Argument(help="TOML recipe of every run; by default the packaged benchmark.toml.")
    ] = None,
    *,
    compendium: _Compendium,
    tasks: _Tasks,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of the runs: fold-0, fold-1, ...")],
    folds: Annotated[int, typer.Option("--folds", help="Runs, each without some families of tasks.")] = 5,
    phases: Annotated[
        str,
        typer.Option("--phases", help="a,b: phases, with all they need; `genes` is enough for linear arms."),
    ] = "scout,genes",
    as_json: _AsJson = False,
) -> None:
    """One run a fold: each learns from the compendium less whole families of tasks.

    What is complete is skipped, what was interrupted goes on.
    """
    # Before numpy is imported. One fold's exploration follows another's Ray, which forks; after a fork,
    # OpenBLAS with threads (scipy 1.17) waits for ever at the next LU decomposition.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from jobs.options import parse_options, take_recipe
    from jobs.prepare import prepare
    from jobs.progress import shown_progress

    words = [*([str(recipe)] if recipe is not None else []), *context.args]
    path, options = take_recipe(words)
    with shown_progress() as progress:
        made = prepare(
            path, parse_options(options), compendium, tasks, runs, folds, _words(phases) or [], progress
        )
    if as_json:
        typer.echo(json.dumps({"runs": str(runs.resolve()), "folds": made}, allow_nan=False))
        return
    for fold in made:
        typer.echo(f"{fold['run']}: without {', '.join(fold['families'])}")


def _words(text: str | None) -> Sequence[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _closing_lines(found: "Figures") -> list[str]:
    left = found["pieces_left"]
    more = [f"{left} pieces are left: run the same command again to go on."] if left else []
    return [*found["verdict"], *more, f"Report: {found['report']}"]
