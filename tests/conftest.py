"""Fixtures that every room's tests may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RNALEARNER_SHARED_DATA", beside))
    if not (folder / "README.md").exists():
        pytest.skip(f"needs the real data in {folder}")
    return folder
