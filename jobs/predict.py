"""New samples in, what the classifiers of a run say of them out."""

from pathlib import Path

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig, TaskConfig, load_recipe
from rnalearner.layout import RunLayout


def predict_inputs(config: RunConfig) -> list[Path]:
    """The table and what belongs to it, and the markers of what learned the classifiers that are asked."""
    given = config.predict
    markers = [] if given.run is None else [RunLayout(given.run).marker(n) for n in ("linear", "finetune")]
    return [path for path in (given.table, given.sheet, given.genes, *markers) if path is not None]


def predict(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Ask `predict.run` about `predict.table`; writes predictions in every format asked for, and answers."""
    import torch

    from rnalearner.counts.gene_table import read_gene_table
    from rnalearner.counts.read import read_counts
    from rnalearner.counts.sheet import attach_sheet, read_sheet
    from rnalearner.errors import GeneError, RecipeError
    from rnalearner.finetune.answers import write_answers
    from rnalearner.finetune.predict import answer
    from rnalearner.publish import write_json
    from rnalearner.report.answers import predict_answers
    from rnalearner.report.inputs import SCHEMAS, read_table

    given = config.predict
    if given.run is None:
        raise RecipeError("predict.run", "is not given", "name the folder of a run that has learned")
    if given.table is None:
        raise RecipeError("predict.table", "is not given", "name a table of counts")
    try:
        samples = read_counts(given.table, read_gene_table(given.genes) if given.genes is not None else None)
    except GeneError as error:  # the reader knows the recipe's other table of symbols
        raise GeneError(
            error.where, error.what, error.remedy.replace("data.genes", "predict.genes")
        ) from None
    if given.sheet is not None:
        attach_sheet(samples, read_sheet(given.sheet), given.sheet)
    on_gpu = torch.cuda.is_available() and config.ray.use_gpu is not False
    answers = answer(
        RunLayout(given.run),
        samples,
        given,
        lambda done, total, note: progress("predict", done, total, note),
        torch.device("cuda" if on_gpu else "cpu"),
    )
    paths = write_answers(answers, layout.predictions, given.formats)
    run = RunLayout(given.run)
    known = run.linear("genes")
    genes = read_table(known, SCHEMAS["guided_genes"].split()) if known.is_file() else None
    told = predict_answers(answers, _task(run, answers.info["task"]), genes, config.name)
    write_json(layout.predict_answers, told)
    called = answers.obs["rnalearner_call"]
    return {
        "task": answers.info["task"],
        "method": answers.info["method"],
        "arm": answers.info["arm"],
        "samples": len(answers.obs),
        "calls": {name: int((called == name).sum()) for name in answers.info["classes"]},
        "abstained": int(answers.obs["rnalearner_abstained"].sum()),
        "files": [path.relative_to(layout.root).as_posix() for path in paths],
    }


def _task(run: RunLayout, name: str) -> TaskConfig | None:
    """As the run's recipe has it; None where there is none, or it is of another version."""
    from rnalearner.errors import RecipeError

    try:
        tasks = load_recipe(run.recipe).tasks
    except RecipeError:
        return None
    return next((task for task in tasks if task.name == name), None)
