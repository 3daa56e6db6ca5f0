import pytest

from rnalearner.config import PredictConfig
from rnalearner.errors import RecipeError
from rnalearner.finetune.method import RECOMMENDED, chosen_arm, chosen_method, chosen_task, recommended


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 6, 40])
def test_the_yardstick_has_a_word_for_every_number_of_samples(samples: int):
    assert recommended(samples) in ("linear", "encoder")
    assert [least for least, _ in RECOMMENDED] == sorted({least for least, _ in RECOMMENDED})
    assert RECOMMENDED[0][0] == 1


def test_auto_takes_the_recommended_one_where_it_is_there_else_the_other():
    assert chosen_method(PredictConfig(), ["linear", "encoder"], 6) == recommended(6)
    assert chosen_method(PredictConfig(), ["encoder"], 6) == "encoder"
    assert chosen_method(PredictConfig(), ["linear"], 1) == "linear"


def test_what_is_asked_for_wins_and_an_arm_asks_for_the_encoder():
    assert chosen_method(PredictConfig(method="encoder"), ["linear", "encoder"], 6) == "encoder"
    assert chosen_method(PredictConfig(method="linear"), ["linear", "encoder"], 6) == "linear"
    assert chosen_method(PredictConfig(arm="none"), ["linear", "encoder"], 6) == "encoder"


@pytest.mark.parametrize(
    ("fields", "available", "told"),
    [
        ({"method": "encoder"}, ["linear"], r"predict\.method: the run has no encoder.*rnalearner finetune"),
        ({"method": "linear"}, ["encoder"], r"predict\.method: the run has no linear.*rnalearner linear"),
        ({"arm": "guided"}, ["linear"], r"predict\.arm: the run has no encoder.*leave predict\.arm out"),
        ({"arm": "guided", "method": "linear"}, ["linear"], r"predict\.arm: 'guided' is an encoder's"),
    ],
)
def test_what_the_run_has_not_is_refused(fields, available, told: str):
    with pytest.raises(RecipeError, match=told):
        chosen_method(PredictConfig.model_validate(fields), available, 6)


def test_tasks_and_arms_are_named_beside_those_there_are():
    assert chosen_task(None, ["a"]) == chosen_task("a", ["a", "b"]) == "a"
    assert chosen_arm(PredictConfig(), ["none", "guided"]) == "guided"
    for given in (None, "c"):
        with pytest.raises(RecipeError, match="a, b"):
            chosen_task(given, ["a", "b"])
    with pytest.raises(RecipeError, match="no arm 'vectors'; choose among none, guided"):
        chosen_arm(PredictConfig(arm="vectors"), ["none", "guided"])
