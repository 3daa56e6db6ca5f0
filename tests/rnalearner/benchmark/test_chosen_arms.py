import pytest

from rnalearner.benchmark.chosen_arms import chosen_arms
from rnalearner.benchmark.encoder_arms import ENCODER_ARMS
from rnalearner.benchmark.linear_arms import GUIDED_ARMS, LINEAR_ARMS
from rnalearner.errors import RecipeError


def test_a_kind_stands_for_all_of_its_arms():
    chosen = chosen_arms(["linear", "encoder"])
    assert {*chosen.linear, *chosen.guided} == set(LINEAR_ARMS)
    assert set(chosen.guided) == GUIDED_ARMS
    assert chosen.encoder == ENCODER_ARMS


def test_arms_stand_in_the_order_of_their_module_each_once():
    chosen = chosen_arms(["guided", "knn_3", "none", "lr_l2", "knn_3"])
    assert (chosen.linear, chosen.encoder) == (("lr_l2", "knn_3"), ("none", "guided"))


def test_arms_that_learned_nothing_before_need_no_run():
    assert chosen_arms(["lr_l2"]).of_a_run == ()
    assert chosen_arms(["lr_l2"]).phases == ()
    assert chosen_arms(["none"]).phases == ("ingest",)
    assert "scout" in chosen_arms(["guided"]).phases


def test_an_unknown_arm_is_named_with_those_that_there_are():
    with pytest.raises(RecipeError, match="there is no arm 'magic'; choose among linear, encoder, lr_l2"):
        chosen_arms(["linear", "magic"])
