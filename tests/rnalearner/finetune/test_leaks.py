import pytest

from rnalearner.errors import LeakError
from rnalearner.finetune.fewshot import fewshot_task
from rnalearner.finetune.leaks import checked_tasks, find_corpus_duplicates, find_leaks, find_learned
from tests.toy_tasks import STUDIES, TASK


def test_strangers_do_not_leak(make_store):
    store = make_store(STUDIES)
    task = fewshot_task(store, TASK)
    assert find_leaks(store, task) == []
    assert task.unseen_n.tolist() == [True] * 4


def test_shared_subjects_are_told_and_marked(make_store):
    store = make_store(STUDIES | {"C": (["GC", "FLT", "GC"], ["m5", "m8", "m1"])})
    task = fewshot_task(store, TASK)
    assert task.unseen_n.tolist() == [False, True, False]
    assert find_leaks(store, task) == [
        "flight: 1 of 3 test subjects are also in train (A): m1",
        "flight: 1 of 3 test subjects are also in validation (B): m5",
    ]


def test_subjects_without_a_name_are_not_one_subject(make_store):
    nameless = {study: (labels, [""] * len(labels)) for study, (labels, _) in STUDIES.items()}
    store = make_store(nameless)
    task = fewshot_task(store, TASK)
    assert find_leaks(store, task) == []
    assert task.unseen_n.all()


def test_one_study_on_both_sides_is_told(make_store):
    store = make_store(STUDIES)
    leaks = find_leaks(store, fewshot_task(store, TASK.model_copy(update={"train": "C"})))
    assert leaks[0] == "flight: train and test are the same study, C"


def test_a_sample_that_was_sequenced_again_is_found(make_store):
    store = make_store(STUDIES, same={("C", 2): ("B", 1)})
    (leak,) = find_leaks(store, fewshot_task(store, TASK))
    assert leak.startswith("flight: test sample C-2 and validation sample B-1 correlate at ")
    assert float(leak.split()[-1]) > 0.999


def test_a_leak_is_refused_unless_it_is_allowed_and_reported(make_store):
    store = make_store(STUDIES | {"C": (["GC", "FLT"], ["m5", "m8"])})
    with pytest.raises(LeakError, match=r"also in validation.*data\.allow_leak"):
        checked_tasks(store, [TASK], allow_leak=False)
    tasks, leaks = checked_tasks(store, [TASK], allow_leak=True)
    assert [task.config for task in tasks] == [TASK]
    assert len(leaks) == 1


def test_a_test_sample_that_stands_in_the_corpus_under_another_name_is_found(make_store):
    store = make_store(STUDIES, same={("other", 1): ("C", 0)})
    (told,) = find_corpus_duplicates(store, [fewshot_task(store, TASK)])
    assert "C-0 and other-1" in told
    assert "corpus sample of other" in told
    with pytest.raises(LeakError, match="other-1"):
        checked_tasks(store, [TASK], allow_leak=False)
    assert checked_tasks(store, [TASK], allow_leak=True)[1] == [told]


def test_without_a_test_nothing_can_leak(make_store):
    store = make_store(STUDIES | {"B": (["GC", "FLT"], ["m1", "m2"])}, same={("other", 1): ("A", 0)})
    untested = TASK.model_copy(update={"test": None})
    tasks, leaks = checked_tasks(store, [untested], allow_leak=False)
    assert leaks == []
    assert tasks[0].test is None


def test_without_a_validation_the_training_samples_still_count(make_store):
    store = make_store(STUDIES, same={("C", 2): ("A", 1)})
    (leak,) = find_leaks(store, fewshot_task(store, TASK.model_copy(update={"validation": None})))
    assert leak.startswith("flight: test sample C-2 and train sample A-1 correlate at ")


def test_a_test_study_that_a_published_model_learned_from_is_refused(make_store):
    store = make_store(STUDIES)
    with pytest.raises(LeakError, match=r"the published model learned from the test's study, C"):
        checked_tasks(store, [TASK], allow_leak=False, learned_from=["other", "C"])
    assert checked_tasks(store, [TASK], allow_leak=False, learned_from=["A", "other"])[1] == []


def test_nasas_two_names_of_a_study_are_one():
    task = TASK.model_copy(update={"test": "OSD-99"})
    assert len(find_learned([task], ["GLDS-99", "GLDS-9"])) == 1
    assert find_learned([TASK.model_copy(update={"test": None})], ["C"]) == []
