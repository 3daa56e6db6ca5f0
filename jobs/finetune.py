"""Phase III, and the linear arms beside it."""

from typing import TYPE_CHECKING

from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout

if TYPE_CHECKING:
    import pandas as pd

    from rnalearner.finetune.fewshot import FewShotTask
    from rnalearner.shards.read import ShardStore


def finetune(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Every task x arm x seed on Ray: classifiers, and tables of runs, curves, predictions, linear arms."""
    import pandas as pd

    from cluster.finetuning import run_finetuning
    from cluster.local import ray_session
    from rnalearner.errors import RecipeError
    from rnalearner.finetune.classifier import TRAINING, Index, Training
    from rnalearner.finetune.fewshot import fewshot_task
    from rnalearner.preprocessing.normalize import log2p1_cpm
    from rnalearner.publish import publish_file
    from rnalearner.shards.read import ShardStore

    if not config.tasks:
        raise RecipeError("recipe", "there is no task to learn", "add a [[tasks]] table")
    store = ShardStore.open(layout.shards)
    tasks = [fewshot_task(store, task) for task in config.tasks]  # leaks were judged at ingest
    with ray_session(config.ray):
        tables = run_finetuning(
            layout,
            config,
            tasks,
            lambda done, total, note, figures: progress("finetune", done, total, note, figures),
        )
    linear = [_linear(store, task) for task in tasks if task.test is not None]
    if linear:
        tables["linear"] = pd.concat([scores for scores, _ in linear])
        tables["linear_predictions"] = pd.concat([predictions for _, predictions in linear])
    for name, table in tables.items():
        with publish_file(layout.finetune(name)) as temporary:
            table.to_csv(temporary, index=False)
    for task in tasks:
        expression = Training(log2p1_cpm(*store.counts(task.train.rows)), task.train.y_n)
        classes, folder = task.config.class_names, layout.classifiers / task.config.name
        expression.save(folder / TRAINING, store.gene_set, classes)
    names = {task.config.name: task.config.class_names for task in tasks}
    Index(names, store.preprocessing, config.finetune, store.gene_set).save(layout.classifiers)
    return {"runs": len(tables["runs"])}


def _linear(store: "ShardStore", task: "FewShotTask") -> "tuple[pd.DataFrame, pd.DataFrame]":
    """The linear arms on the same samples, on log2 CPM whatever the model's scale."""
    import pandas as pd

    from rnalearner.linear.rivals import score_rivals
    from rnalearner.preprocessing.normalize import log2p1_cpm

    assert task.test is not None  # noqa: S101 - asked only then
    test = pd.DataFrame(
        {"sample": task.test.samples, "subject": task.test.subjects, "unseen_subject": task.unseen_n}
    )
    return score_rivals(
        task.config.name,
        log2p1_cpm(*store.counts(task.train.rows)),
        task.train.y_n,
        log2p1_cpm(*store.counts(task.test.rows)),
        task.test.y_n,
        test,
    )
