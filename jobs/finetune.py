"""Phase III."""

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout


def finetune(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Every task x arm x seed on Ray: classifiers, and tables of runs, curves, predictions."""
    from cluster.finetuning import run_finetuning
    from cluster.local import ray_session
    from rnalearner.errors import RecipeError
    from rnalearner.finetune.classifier import EncoderIndex
    from rnalearner.finetune.fewshot import fewshot_task
    from rnalearner.finetune.linear import expression
    from rnalearner.linear.stored import Training
    from rnalearner.shards.read import ShardStore
    from rnalearner.spreadsheet import write_csv

    if not config.tasks:
        raise RecipeError("recipe", "there is no task to learn", "add a [[tasks]] table")
    if config.finetune.skip != "none":
        what = "is for the benchmark: a stored classifier holds the encoder alone"
        raise RecipeError("finetune.skip", what, "leave it out; `rnalearner linear` trains the linear model")
    if not config.finetune.arms:
        raise RecipeError("finetune.arms", "names no arm", "name one, or run `rnalearner linear` instead")
    store = ShardStore.open(layout.shards)
    tasks = [fewshot_task(store, task) for task in config.tasks]  # leaks were judged at ingest
    with ray_session(config.ray):
        tables = run_finetuning(
            layout,
            config,
            tasks,
            lambda done, total, note, figures: progress("finetune", done, total, note, figures),
        )
    for name, table in tables.items():
        write_csv(layout.finetune(name), table)
    for task in tasks:
        training = Training(expression(store, task.train.rows), task.train.y_n)
        training.save(layout.classifiers / task.config.name, store.gene_set, task.config.class_names)
    names = {task.config.name: task.config.class_names for task in tasks}
    EncoderIndex(names, store.preprocessing, config.finetune, store.gene_set).save(layout.classifiers)
    return {"runs": len(tables["runs"])}
