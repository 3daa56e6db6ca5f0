"""The guided linear learner, and the linear rivals beside it: in a second, without Ray."""

from typing import TYPE_CHECKING

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import PublishedModel, RunLayout

if TYPE_CHECKING:
    from rnalearner.guide.gene_guide import GeneGuide


def has_guide(config: RunConfig) -> bool:
    """Whether there is a gene guide to learn with: wanted, and either of the published model that the
    run starts from, or of a corpus of its own."""
    if not config.linear.guide:
        return False
    if config.model.path is not None:
        return PublishedModel(config.model.path).gene_guide.exists()
    if config.data.source != "tables":
        return True
    own = {*(table.study for table in config.data.tables), *config.data.osdr}
    return bool(own - {study for task in config.tasks for study in task.studies})


def linear(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Every task: a classifier, and tables of runs, predictions, genes; of rivals and what they predict.

    Raises LeakError where the guide learned from a task's test.
    """
    import pandas as pd

    from rnalearner.counts.gene_table import read_gene_table
    from rnalearner.errors import RecipeError
    from rnalearner.finetune.fewshot import fewshot_task
    from rnalearner.finetune.linear import learn_linear, rivals_of
    from rnalearner.linear.stored import MODEL, LinearIndex
    from rnalearner.shards.read import ShardStore
    from rnalearner.spreadsheet import write_csv

    if not config.tasks:
        raise RecipeError("recipe", "there is no task to learn", "add a [[tasks]] table")
    store = ShardStore.open(layout.shards)
    tasks = [fewshot_task(store, task) for task in config.tasks]  # labels were judged at ingest
    guide, leaks = _guide(config, layout)
    named = config.data.genes
    symbols = {} if named is None else read_gene_table(config.data.root / named).symbol_of
    tables: dict[str, list[pd.DataFrame]] = {}

    def add(table: str, rows: pd.DataFrame) -> None:
        tables.setdefault(table, []).append(rows)

    for done, task in enumerate(tasks):
        progress("linear", done, len(tasks), task.config.name)
        result = learn_linear(store, task, guide, config.linear, symbols=symbols)
        folder, classes = layout.linear_classifiers / task.config.name, task.config.class_names
        result.stored.save(folder / MODEL)
        result.training.save(folder, store.gene_set, classes)
        add("runs", pd.DataFrame([result.run]))
        add("predictions", pd.DataFrame(result.predictions))
        add("genes", result.genes)
        if task.test is not None or result.turns:
            scores, predictions = rivals_of(store, task, result.turns)
            add("rivals", scores)
            add("rival_predictions", predictions)
    for name, parts in tables.items():
        write_csv(layout.linear(name), pd.concat(parts, ignore_index=True))
    names = {task.config.name: task.config.class_names for task in tasks}
    LinearIndex(names, store.preprocessing, config.linear, store.gene_set).save(layout.linear_classifiers)
    runs = pd.concat(tables["runs"])
    figures: Figures = {
        "tasks": len(tasks),
        "method": config.linear.method,
        "guide": None if guide is None else f"{guide.meta['strategy']}, {len(guide.meta['studies'])} studies",
        "genes_used": int(runs["genes_used"].max()),
        "fit_seconds": round(float(runs["seconds"].sum()), 3),
    }
    return figures | ({"leaks": leaks} if leaks else {})


def _guide(config: RunConfig, layout: RunLayout) -> "tuple[GeneGuide | None, list[str]]":
    """The gene guide, if there is one, and which tests it has seen."""
    from rnalearner.errors import LeakError
    from rnalearner.finetune.leaks import find_learned
    from rnalearner.guide.gene_guide import GeneGuide

    if not has_guide(config):
        return None, []
    guide = GeneGuide.load(layout.gene_guide)
    leaks = find_learned(config.tasks, guide.meta["studies"])
    if leaks and not config.data.allow_leak:
        raise LeakError("gene guide", leaks[0], "use other sets, or set data.allow_leak and report it")
    return guide, leaks
