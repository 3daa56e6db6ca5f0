"""Pretraining that is killed again and again, with all that it started, ends as one that was left alone."""

import time
from functools import partial

import numpy as np
import pandas as pd
import pytest

from rnalearner.checkpoint import WEIGHTS, load_meta
from rnalearner.layout import RunLayout
from rnalearner.publish import sha256_of
from tests.jobs.conftest import Cli
from tests.jobs.killing import ROOT, killed

N_KILLS, N_EVALUATIONS, STEPS = 20, 120, 10
INTERVAL_S = 0.3
"""About what passes from one evaluation to the next."""
OPTIONS = (
    *("jobs/recipes/smoke.toml", "--needs", "--pretrain.evaluate_every", str(STEPS)),
    *("--pretrain.max_steps", str(N_EVALUATIONS * STEPS), "--pretrain.patience", str(N_EVALUATIONS)),
)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_twenty_kills_change_no_byte_of_the_weights_and_repeat_one_interval_at_most(
    cli: Cli, environment: dict[str, str], tmp_path
):
    alone, cut = RunLayout(tmp_path / "alone"), RunLayout(tmp_path / "cut")
    assert cli("pretrain", *OPTIONS, "--out", alone.root, cwd=ROOT, timeout=600).returncode == 0
    rng = np.random.default_rng(20)

    def further(rows: int) -> bool:
        if evaluated(cut) < rows:
            return False
        time.sleep(rng.uniform(0, INTERVAL_S))  # any moment of an interval, not that after its metrics
        return True

    for more in rng.integers(2, 4, size=N_KILLS):
        words = ["pretrain", *OPTIONS, "--out", str(cut.root)]
        killed(words, environment, tmp_path / "log", partial(further, evaluated(cut) + more))
        meta = load_meta(cut.pretrain_state)
        assert meta["progress"]["step"] >= (evaluated(cut) - 1) * STEPS
    assert cli("pretrain", *OPTIONS, "--out", cut.root, cwd=ROOT, timeout=600).returncode == 0
    assert sha256_of(cut.base_checkpoint / WEIGHTS) == sha256_of(alone.base_checkpoint / WEIGHTS)
    first, second = (pd.read_csv(run.pretrain_metrics) for run in (alone, cut))
    same = [name for name in first if name != "samples_per_s"]
    pd.testing.assert_frame_equal(second[same], first[same])


def evaluated(layout: RunLayout) -> int:
    """Evaluations that are on disk."""
    try:
        return layout.pretrain_metrics.read_text().count("\n") - 1
    except FileNotFoundError:
        return 0
