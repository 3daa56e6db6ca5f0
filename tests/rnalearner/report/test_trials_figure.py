import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from rnalearner.report.trials_figure import draw_trials


@pytest.fixture
def trials() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 12
    rate = 10 ** rng.uniform(-4, -1, n)
    return pd.DataFrame(
        {
            "trial": [f"t{i}" for i in range(n)],
            "status": ["SUCCEEDED", "STOPPED", "SUCCEEDED"] * 4,
            "epochs_run": 10,
            "loss": (np.log10(rate) + 2.5) ** 2 / 4 + 0.4,
            "learning_rate": rate,
            "head": ["gene_pool", "conv"] * 6,
            "trained_blocks": 1,
            "cohort_centring": [True, False, False] * 4,
        }
    )


def texts(path) -> list[str]:
    """Words of a picture, in order."""
    return [text for element in ElementTree.parse(path).iter() if (text := (element.text or "").strip())]


def test_every_setting_that_varied_has_its_panel(trials, tmp_path):
    draw_trials(trials, tmp_path / "trials.svg")
    said = texts(tmp_path / "trials.svg")
    assert {"learning rate", "head", "cohort centring", "gene pool", "conv", "True", "False"} <= set(said)
    assert "trained blocks" not in said
    assert "guide form" not in said


def test_the_best_trial_that_ran_to_its_end_is_named(trials, tmp_path):
    trials.loc[1, "loss"] = 0.01  # stopped: its loss is of fewer epochs
    draw_trials(trials, tmp_path / "trials.svg")
    best = trials[trials["status"] == "SUCCEEDED"].sort_values("loss").iloc[0]
    said = texts(tmp_path / "trials.svg")
    assert f"best: trial {best.trial}, loss {best.loss:.3f}" in said
    assert "ran to its end (8)" in said
    assert "stopped early (4)" in said


def test_the_same_trials_give_the_same_picture(trials, tmp_path):
    for name in ("a", "b"):
        draw_trials(trials, tmp_path / f"{name}.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_wild_loss_does_not_flatten_the_others(trials, tmp_path):
    trials.loc[3, "loss"] = 1e6
    draw_trials(trials, tmp_path / "trials.svg")
    assert any(re.fullmatch(r"loss \(up to [\d.]+\)", said) for said in texts(tmp_path / "trials.svg"))


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_trials_are_said_so(trials, tmp_path, rows):
    trials.loc[rows:, "loss"] = np.nan
    draw_trials(trials, tmp_path / "trials.svg")
    assert "No two trials with a loss differ in a setting." in texts(tmp_path / "trials.svg")


def test_a_trial_without_a_value_for_a_setting_is_drawn_elsewhere(trials, tmp_path):
    trials.loc[0, "head"] = None
    draw_trials(trials, tmp_path / "trials.svg")
    assert "head" in texts(tmp_path / "trials.svg")
