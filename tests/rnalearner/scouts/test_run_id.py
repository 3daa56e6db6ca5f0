from dataclasses import replace

import numpy as np

from rnalearner.config import ScoutingConfig
from rnalearner.scouts.contrast import Contrast
from rnalearner.scouts.run_id import FREE, run_id

CONTRASTS = [Contrast(f"{i}", "", np.arange(i), np.arange(i, 9)) for i in (3, 4)]
CONFIG = ScoutingConfig()


def test_what_no_delta_depends_on_does_not_change_the_name():
    other = {"in_flight": 7, "deltas": "memory://x", "quorum": 0.5, "grace_s": 1.0, "guide_agreement": 0.5}
    other |= {"onto": "there", "prefix_cache_mb": 1, "measure": "absolute", "scaling": "model_wide"}
    other |= {"weighing": "effect"}
    assert other.keys() == FREE
    for name, value in other.items():
        assert run_id("b", CONFIG.model_copy(update={name: value}), CONTRASTS) == run_id(
            "b", CONFIG, CONTRASTS
        )


def test_all_else_does():
    names = {
        run_id("b", CONFIG, CONTRASTS),
        run_id("c", CONFIG, CONTRASTS),
        run_id("b", CONFIG.model_copy(update={"learning_rate": 1.0}), CONTRASTS),
        run_id("b", CONFIG.model_copy(update={"seed": 1}), CONTRASTS),
        run_id("b", CONFIG, CONTRASTS[1:]),
        run_id("b", CONFIG, CONTRASTS[::-1]),
        run_id("b", CONFIG, [replace(CONTRASTS[0], learns_g=np.ones(3, bool)), CONTRASTS[1]]),
    }
    assert len(names) == 7
