"""Tables changed at random (benchmarks/fuzz_readers.py), here a few."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.measured_child import ROOT
from tests.hostile.mutations import case
from tests.hostile.seeds import seeds


def fuzz(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz_readers", *words], cwd=ROOT, check=True, capture_output=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_case_is_the_same_each_time_and_no_seed_comes_unchanged_too_often() -> None:
    cases = [case(7, number) for number in range(220)]
    assert cases == [case(7, number) for number in range(220)]
    assert Counter(kind for kind, _ in cases) == {"csv": 200, "h5": 10, "parquet": 10}
    assert sum(body in seeds(kind) for kind, body in cases) < 30
    assert case(8, 5) != case(7, 5)


def test_every_case_has_an_outcome_and_is_read_by_one_worker() -> None:
    found = fuzz("--cases", "44", "--workers", "2")
    assert (found["csv_cases"], found["h5_cases"], found["parquet_cases"]) == (40, 2, 2)
    outcomes = ("reports", "sentences", "other_exceptions", "over_memory", "over_time", "crashes")
    assert sum(found[name] for name in outcomes) == 44
    assert found["reports"] > 0
    assert found["sentences"] > 20
    assert found["crashes"] == found["over_time"] == 0


def test_a_worker_that_thinks_for_too_long_is_replaced_and_its_case_kept(tmp_path: Path) -> None:
    found = fuzz("--cases", "1", "--workers", "1", "--patience", "0", "--keep", str(tmp_path))
    assert (found["h5_cases"], found["over_time"]) == (1, 1)
    assert (tmp_path / "0-0" / "table.h5ad").read_bytes() == case(0, 0)[1]
