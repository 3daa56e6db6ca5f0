"""What a task shares with a run's corpus, or one of its sides with the other: by name and by profile.

Subjects on both sides of a task are no leak: draws test only subjects that they do not train on.
Shapes: n samples of a training side, m of a test side.
"""

from collections.abc import Sequence

import numpy as np

from rnalearner.benchmark.tasks import LoadedTask, Side
from rnalearner.errors import LeakError
from rnalearner.finetune.leaks import NEAR_DUPLICATE, accession, find_duplicates, profiles
from rnalearner.shards.read import ShardStore


def side_leaks(loaded: LoadedTask) -> list[str]:
    """What the two datasets of a pair share, as sentences; nothing within a study.

    A study on both sides, and profiles of two subjects that correlate above NEAR_DUPLICATE.
    """
    if not loaded.task.is_pair:
        return []
    train, test = loaded.train, loaded.test
    shared = sorted(set(train.studies) & set(test.studies))
    if shared:
        return [f"{loaded.name}: {shared[0]} is on both sides"]
    x_ng, x_mg = (profiles(side.counts(loaded.genes), side.total_n) for side in (train, test))
    strangers_nm = np.array(train.subjects)[:, None] != np.array(test.subjects)
    return [
        f"{loaded.name}: training sample {train.samples[i]} of {train.subjects[i]} and test sample "
        f"{test.samples[j]} of {test.subjects[j]} correlate above {NEAR_DUPLICATE}"
        for i, j in np.argwhere((x_ng @ x_mg.T > NEAR_DUPLICATE) & strangers_nm)
    ]


def corpus_leaks(store: ShardStore, rows: np.ndarray, loaded: Sequence[LoadedTask]) -> dict[str, list[str]]:
    """Task -> what it shares with the samples `rows` that a run learned from, as sentences.

    Studies, subjects, and profiles that correlate above NEAR_DUPLICATE. The store is read once.
    """
    corpus = store.obs.iloc[rows]
    studies = {accession(study): study for study in corpus["study"].astype(str)}
    subjects = set(corpus["subject"].astype(str)) - {""}
    leaks: dict[str, list[str]] = {task.name: [] for task in loaded}
    profiled = []
    for task in loaded:
        same = sorted(studies[name] for name in map(accession, task.task.studies) if name in studies)
        leaks[task.name] += [f"{task.name}: study {study} is in the run's corpus" for study in same]
        for side in _sides(task):
            known = sorted(set(side.subjects) & subjects)
            if known:
                leaks[task.name].append(
                    f"{task.name}: {len(known)} subjects of {'+'.join(side.studies)} are in the run's "
                    f"corpus: {', '.join(known[:8])}"
                )
            x_ng = profiles(side.counts(store.gene_set.ids), side.total_n)
            profiled.append((task.name, side.samples, x_ng))
    for sentence in find_duplicates(store, rows, profiled):
        leaks[sentence.split(":", 1)[0]].append(sentence)
    return leaks


def refuse_leaks(leaks: Sequence[str], allow_leak: bool = False) -> None:
    """Raise LeakError naming the first leak, unless leaks are allowed: then the report must tell them."""
    if leaks and not allow_leak:
        raise LeakError("benchmark", leaks[0], "use another run, or say --allow-leak and report it")


def _sides(task: LoadedTask) -> tuple[Side, ...]:
    return (task.train, task.test) if task.task.is_pair else (task.train,)
