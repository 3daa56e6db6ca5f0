import numpy as np
import pytest

from rnalearner.config import PredictConfig
from rnalearner.finetune.abstain import reasons, smallest_cohort

SURE, UNSURE, AGAINST = (0.1, 0.9), (0.45, 0.55), (0.9, 0.1)
CONFIG = PredictConfig()


def told(
    by_seed: list[list[tuple[float, ...]]], coverage: float = 1.0, centring: bool = True, **fields: float
) -> list[str]:
    """Reasons for samples of which each seed says these probabilities."""
    p_snc = np.array(by_seed)
    n = p_snc.shape[1]
    config = PredictConfig.model_validate(fields)
    return reasons(p_snc, np.full(n, coverage), [""] * n, centring, config)


def test_sure_calls_of_a_large_cohort_stand():
    assert told([[SURE] * 4] * 3) == [""] * 4


def test_a_call_that_is_not_confident_enough_is_abstained_from():
    sure, unsure, *_ = told([[SURE, UNSURE, SURE, SURE]])
    assert sure == ""
    assert unsure == "the likeliest class has a probability of 0.55, below 0.60"
    assert told([[UNSURE] * 4], min_confidence=0.5) == [""] * 4


@pytest.mark.parametrize(
    ("against", "of", "stands"), [(1, 5, True), (2, 5, False), (1, 4, True), (1, 3, False)]
)
def test_three_quarters_of_the_seeds_must_make_the_call(against: int, of: int, stands: bool):
    (why, *_) = told([[AGAINST] * 4] * against + [[(0.0, 1.0)] * 4] * (of - against), min_confidence=0)
    assert why == ("" if stands else f"only {of - against} of {of} seeds make this call")


def test_too_few_measured_genes_are_a_reason():
    assert told([[SURE] * 4], coverage=0.55) == [""] * 4
    assert (
        told([[SURE] * 4], coverage=0.55, min_coverage=0.6)
        == ["55% of the model's genes are measured, fewer than 60%"] * 4
    )


def test_a_cohort_needs_two_samples_a_class_where_it_is_centred():
    assert (smallest_cohort(2), smallest_cohort(3)) == (4, 6)
    assert told([[SURE] * 3]) == ["a cohort of 3 is too small to centre by: 4 are needed"] * 3
    assert told([[SURE]], centring=False) == [""]
    three = (0.0, 0.1, 0.9)
    assert all("6 are needed" in why for why in told([[three] * 5]))
    assert told([[three] * 6]) == [""] * 6


def test_a_sample_that_was_not_asked_tells_why_and_is_no_part_of_the_cohort():
    p_snc = np.array([[SURE, SURE, SURE, (np.nan, np.nan)]])
    why = reasons(p_snc, np.ones(4), ["", "", "", "expresses 3 genes, fewer than 200"], True, CONFIG)
    assert why[3] == "expresses 3 genes, fewer than 200"
    assert all("a cohort of 3 is too small" in other for other in why[:3])


def test_several_reasons_are_all_told():
    (why,) = told([[UNSURE], [AGAINST], [SURE]], coverage=0.5, min_coverage=0.9)
    assert len(why.split("; ")) == 4
