"""Fixtures that every room's tests may use."""

import os
from pathlib import Path

import pytest

# Before anything imports torch or numpy. Tiny matrices on a busy machine: threads that wait for each
# other cost a hundredfold, and sums of floats depend on how they are split.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RNALEARNER_SHARED_DATA", beside))
    if not (folder / "README.md").exists():
        pytest.skip(f"needs the real data in {folder}")
    return folder
