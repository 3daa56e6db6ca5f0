import numpy as np
import pytest

from rnalearner.errors import LabelError
from rnalearner.finetune.fewshot import fewshot_task
from tests.toy_tasks import STUDIES, TASK


def test_each_dataset_keeps_the_rows_of_its_own_study(make_store):
    """As published, validation and test were glued and cut at half: unequal sizes mixed them."""
    store = make_store(STUDIES)
    task = fewshot_task(store, TASK)
    assert task.train.rows.tolist() == [0, 1, 2]
    assert task.validation.rows.tolist() == [3, 4]
    assert task.test.rows.tolist() == [7, 9, 10, 11]  # the vivarium control belongs to neither group
    for name, dataset in task.datasets():
        assert set(store.obs.loc[dataset.rows, "study"]) == {getattr(TASK, name)}
        assert tuple(store.obs.loc[dataset.rows, "sample"]) == dataset.samples
        assert tuple(store.obs.loc[dataset.rows, "subject"]) == dataset.subjects


def test_the_positive_group_is_1(make_store):
    task = fewshot_task(make_store(STUDIES), TASK)
    assert task.train.y_n.tolist() == [1, 0, 1]
    assert task.test.y_n.tolist() == [0, 1, 0, 1]
    turned = TASK.model_copy(update={"positive": ("GC", "VIV"), "negative": ("FLT",)})
    task = fewshot_task(make_store(STUDIES), turned)
    assert task.test.y_n.tolist() == [1, 1, 0, 1, 0]
    assert task.test.y_n.dtype == np.int64


def refusal(store, **fields: object) -> LabelError:
    with pytest.raises(LabelError) as caught:
        fewshot_task(store, TASK.model_copy(update=fields))
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


def test_an_unknown_study_is_named_beside_those_there_are(make_store):
    error = refusal(make_store(STUDIES), test="Z")
    assert error.where == "task flight, study Z"
    assert "A, B, C, other" in error.remedy


def test_an_unknown_column_is_named_beside_those_there_are(make_store):
    error = refusal(make_store(STUDIES), column="group")
    assert error.where == "task flight, study A"
    assert "'group'" in error.what
    assert "label" in error.remedy


def test_one_class_only_says_what_the_column_holds(make_store):
    store = make_store(STUDIES | {"B": (["FLT", "FLT"], ["m4", "m5"])})
    error = refusal(store)
    assert error.where == "task flight, study B"
    assert "'label' has no negative sample (GC); it holds FLT" in error.what
    assert "`negative`" in error.remedy


def test_labels_that_are_missing_say_so(make_store):
    store = make_store(STUDIES | {"C": (["", ""], ["m6", "m7"])})
    assert "no positive sample (FLT); it holds nothing" in refusal(store).what


TISSUES = TASK.model_copy(update={"groups": ("liver", "brain", "heart"), "validation": None, "test": None})


def test_each_of_several_groups_is_a_class_in_the_order_of_the_recipe(make_store):
    store = make_store({"A": (["heart", "liver", "skin", "brain", "liver"], ["m1", "m2", "m3", "m4", "m5"])})
    task = fewshot_task(store, TISSUES)
    assert task.n_classes == 3
    assert task.train.rows.tolist() == [0, 1, 3, 4]
    assert task.train.y_n.tolist() == [2, 0, 1, 0]


def test_a_task_may_have_neither_validation_nor_test(make_store):
    task = fewshot_task(make_store(STUDIES), TASK.model_copy(update={"validation": None, "test": None}))
    assert [split for split, _ in task.datasets()] == ["train"]
    assert task.unseen_n.tolist() == []
    task = fewshot_task(make_store(STUDIES), TASK.model_copy(update={"validation": None}))
    assert [split for split, _ in task.datasets()] == ["train", "test"]
    assert task.unseen_n.all()


def test_training_needs_every_class_and_the_others_two(make_store):
    three, two = (["liver", "brain", "heart"], ["m1", "m2", "m3"]), (["liver", "heart"], ["m4", "m5"])
    tested = TISSUES.model_copy(update={"test": "C"})
    assert fewshot_task(make_store({"A": three, "C": two}), tested).test.y_n.tolist() == [0, 2]
    with pytest.raises(
        LabelError, match=r"study A.*has no sample of a group \(brain\); it holds heart, liver"
    ):
        fewshot_task(make_store({"A": two, "C": three}), tested)
    with pytest.raises(LabelError, match=r"study C.*`groups`: 2 groups are needed"):
        fewshot_task(make_store({"A": three, "C": (["heart", "heart"], ["m4", "m5"])}), tested)
