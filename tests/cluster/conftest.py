"""Ray in a home of its own: tests neither read nor write the user's token."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cluster.head import EmbeddedRay  # this room sets what Ray reads once, at its first import
from tests.cluster.head_of_a_gateway import wait_until_up


@pytest.fixture(scope="session", autouse=True)
def home_of_these_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    own = {"HOME": str(tmp_path_factory.mktemp("home")), "RAY_AUTH_MODE": "token"}
    removed = ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    before = {name: os.environ.get(name) for name in (*own, *removed)}
    os.environ.update(own)
    for name in removed:
        os.environ.pop(name, None)
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@dataclass(frozen=True)
class Adopted:
    """A gateway's own Ray after that gateway was killed and another one took it over."""

    ray: EmbeddedRay
    folder: Path
    before: dict[str, Any]
    """What ray.json said when the first gateway was killed."""


@pytest.fixture(scope="session")
def adopted(home_of_these_tests: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    """One head for all tests that only ask something of it."""
    folder = tmp_path_factory.mktemp("gateway")
    words = [sys.executable, "-m", "tests.cluster.head_of_a_gateway", str(folder)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline().startswith(b"http://127.0.0.1:")
        before = json.loads((folder / "ray.json").read_text())
        gateway.kill()
    ray = EmbeddedRay(folder, num_cpus=2, object_store_mb=100)
    try:
        wait_until_up(ray)
        yield Adopted(ray, folder, before)
    finally:
        ray.close()
