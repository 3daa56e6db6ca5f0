"""What the test side shares with what was learned from: by name, and by profile.

Shapes: t test samples, n other samples, g genes.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from rnalearner.config import TaskConfig
from rnalearner.errors import LeakError
from rnalearner.finetune.fewshot import FewShotTask, fewshot_task
from rnalearner.preprocessing.normalize import log2p1_cpm
from rnalearner.shards.corpus import corpus_rows
from rnalearner.shards.read import ShardStore

NEAR_DUPLICATE = 0.999
"""Correlation of log2 CPM above which samples of two datasets count as one: biological replicates
of different datasets stay below, re-sequenced or renamed libraries do not."""
READ_ROWS = 256
"""Corpus samples held at a time."""


def checked_tasks(
    store: ShardStore, configs: Sequence[TaskConfig], allow_leak: bool, learned_from: Sequence[str] = ()
) -> tuple[list[FewShotTask], list[str]]:
    """All tasks and what leaks in them; raises LabelError, and LeakError unless that is allowed.

    `learned_from`: the studies of the corpus of a published model that the run starts from.
    """
    tasks = [fewshot_task(store, config) for config in configs]
    leaks = [leak for task in tasks for leak in find_leaks(store, task)]
    leaks += find_corpus_duplicates(store, tasks)
    leaks += find_learned(configs, learned_from)
    if leaks and not allow_leak:
        raise LeakError("tasks", leaks[0], "use other sets, or set data.allow_leak and report it")
    return tasks, leaks


def find_leaks(store: ShardStore, task: FewShotTask) -> list[str]:
    """What the test set shares with the others: sentences for the report; none without a test."""
    leaks: list[str] = []
    test = task.test
    if test is None:
        return leaks
    test_subjects = set(test.subjects) - {""}
    x_tg = profiles(*store.counts(test.rows))
    for split, dataset in task.datasets():
        if dataset is test:
            continue
        if dataset.study == test.study:
            leaks.append(f"{task.config.name}: {split} and test are the same study, {dataset.study}")
        shared = sorted(test_subjects & set(dataset.subjects))
        if shared:
            leaks.append(
                f"{task.config.name}: {len(shared)} of {len(test_subjects)} test subjects are also in "
                f"{split} ({dataset.study}): {', '.join(shared)}"
            )
        correlation_tn = x_tg @ profiles(*store.counts(dataset.rows)).T
        for i, j in np.argwhere(correlation_tn > NEAR_DUPLICATE):
            leaks.append(
                f"{task.config.name}: test sample {test.samples[i]} and {split} sample "
                f"{dataset.samples[j]} correlate at {correlation_tn[i, j]:.5f}"
            )
    return leaks


def find_learned(configs: Iterable[TaskConfig], learned_from: Iterable[str]) -> list[str]:
    """Tests whose study, by its name, a published model learned from: a sentence a task."""
    known = {accession(study) for study in learned_from}
    return [
        f"{config.name}: the published model learned from the test's study, {config.test}"
        for config in configs
        if config.test is not None and accession(config.test) in known
    ]


def accession(study: str) -> str:
    """NASA's accessions were renamed from GLDS to OSD; their files were not."""
    return study.replace("GLDS-", "OSD-")


def find_corpus_duplicates(store: ShardStore, tasks: Iterable[FewShotTask]) -> list[str]:
    """Test samples that stand in the corpus under another name: a sentence a task and study.

    The corpus is read once, READ_ROWS samples at a time. Shared names need no search: `corpus_rows`
    leaves out every study and every subject of a task.
    """
    tasks = list(tasks)
    corpus = corpus_rows(store.obs, [task.config for task in tasks])
    tests = [
        (task.config.name, task.test.samples, profiles(*store.counts(task.test.rows)))
        for task in tasks
        if task.test is not None
    ]
    return find_duplicates(store, corpus.rows, tests)


def find_duplicates(
    store: ShardStore, rows: np.ndarray, tests: Sequence[tuple[str, Sequence[str], np.ndarray]]
) -> list[str]:
    """Samples that stand in the `rows` of the store under another name: a sentence a task and study.

    `tests`: name of a task, names of its samples, their `profiles` t x g on the store's genes.
    """
    if not tests:
        return []
    found: dict[tuple[str, str], list[str]] = {}
    for batch, counts_ng, total_n in store.iter_rows(rows, READ_ROWS):
        x_ng = profiles(counts_ng, total_n)
        for name, samples, x_tg in tests:
            for i, j in np.argwhere(x_tg @ x_ng.T > NEAR_DUPLICATE):
                twin = store.obs.loc[batch[j]]
                pair = f"{samples[i]} and {twin['sample']}"
                found.setdefault((name, str(twin["study"])), []).append(pair)
    return [
        f"{name}: {len(pairs)} pairs of a task's sample and a corpus sample of {study} correlate above "
        f"{NEAR_DUPLICATE}, the first being {pairs[0]}"
        for (name, study), pairs in found.items()
    ]


def profiles(counts_ng: np.ndarray, total_n: np.ndarray) -> np.ndarray:
    """log2 CPM of each sample with mean 0 and length 1; an unmeasured gene counts as the mean."""
    values_ng = log2p1_cpm(counts_ng, total_n)
    centred_ng = np.nan_to_num(values_ng - np.nanmean(values_ng, axis=1, keepdims=True))
    return centred_ng / np.maximum(np.linalg.norm(centred_ng, axis=1, keepdims=True), 1e-12)
