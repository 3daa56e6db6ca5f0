import pandas as pd

from rnalearner.config import TaskConfig
from rnalearner.shards.corpus import corpus_rows

TASK = TaskConfig(name="flight", train="T1", validation="T2", test="T3")


def obs_of(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["study", "modality", "subject"])


OBS = obs_of(
    ("B", "bulk", "m1"),
    ("T1", "bulk", "m2"),
    ("A", "bulk", "m3"),
    ("A", "bulk", "m2"),  # an animal of T1, in another study
    ("C", "single-cell", "m5"),
    ("T2", "bulk", ""),
    ("T3", "single-cell", "m6"),
    ("A", "bulk", ""),  # no name is no shared subject
    ("D", "bulk", "m6"),
    ("D", "single-cell", "m7"),
    ("D", "bulk", "m8"),
)


def test_bulk_strangers_to_every_task_stay():
    corpus = corpus_rows(OBS, [TASK])
    assert corpus.rows.tolist() == [0, 2, 7, 10]
    assert corpus.studies == ("A", "B", "D")


def test_every_study_left_out_has_its_reason():
    left_out = corpus_rows(OBS, [TASK]).left_out
    assert left_out.keys() == {"T1", "T2", "T3", "A", "C", "D"}
    assert {left_out[study] for study in ("T1", "T2", "T3")} == {"a task's study"}
    assert left_out["A"] == "shares subjects with a task"
    assert left_out["C"] == "single-cell samples"


def test_a_study_with_two_reasons_has_both():
    assert corpus_rows(OBS, [TASK]).left_out["D"] == "shares subjects with a task; single-cell samples"


def test_without_tasks_all_bulk_samples_teach():
    corpus = corpus_rows(OBS, [])
    assert corpus.rows.tolist() == [row for row in range(len(OBS)) if OBS["modality"][row] == "bulk"]
    assert corpus.left_out == {
        "C": "single-cell samples",
        "T3": "single-cell samples",
        "D": "single-cell samples",
    }


def test_rows_are_places_whatever_the_index_says():
    shuffled = OBS.set_axis(range(100, 100 + len(OBS)))
    assert corpus_rows(shuffled, [TASK]).rows.tolist() == [0, 2, 7, 10]


def test_a_corpus_may_be_empty():
    corpus = corpus_rows(obs_of(("T1", "bulk", "a"), ("T2", "bulk", "b")), [TASK])
    assert corpus.rows.tolist() == []
    assert corpus.studies == ()
