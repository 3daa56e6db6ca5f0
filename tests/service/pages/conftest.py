"""A browser's side of the gateway: cookies, and where its requests come from.

anna      somebody who has signed in with a key of the owner `lab`: an httpx client with her cookie
"""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.service.harness import Running

OWN = {"Sec-Fetch-Site": "same-origin"}


@contextmanager
def signed_in(gateway: Running, key: str) -> Iterator[httpx.Client]:
    """A client with the session of this key, whose requests come from the gateway's own pages."""
    with httpx.Client(base_url=gateway.http.base_url, headers=OWN, timeout=20) as client:
        answer = client.post("/sign-in", data={"key": key})
        assert answer.status_code == 303, answer.text
        yield client


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Pages ask nothing of the database that the API does not: once is enough."""
    return sqlite_url


@pytest.fixture
def anna(sqlite_gateway: Running) -> Iterator[httpx.Client]:
    with signed_in(sqlite_gateway, sqlite_gateway.lab.key) as client:
        yield client
