"""Ray in a home of its own: tests neither read nor write the user's token."""

import os
from collections.abc import Iterator

import pytest

import cluster  # noqa: F401 - before any test imports Ray, which reads its environment only once


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
