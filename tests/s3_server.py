"""A real S3-compatible server on loopback, for tests of what hosts without a common disk share."""

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import s3fs


@contextmanager
def s3_server(home: Path) -> Iterator[None]:
    """Start moto as a process of its own, and point this process and its children at it by their environment.

    Its keys are made up, and `home`, instead of the user's, is where more of them are looked for. HOME itself
    stays: this process may already know the Ray token that lies there, and its children read it anew.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
        "AWS_ACCESS_KEY_ID": "toy",
        "AWS_SECRET_ACCESS_KEY": "toy-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    for name in before:
        del os.environ[name]
    os.environ.update(own)
    s3fs.S3FileSystem.clear_instance_cache()  # they remember the server of an earlier test
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_until_up(port, server)
            yield
        finally:
            server.terminate()
            s3fs.S3FileSystem.clear_instance_cache()
            for name in own:
                del os.environ[name]
            os.environ.update(before)


def new_bucket() -> str:
    """URL of an empty bucket."""
    name = f"toy-{uuid.uuid4().hex}"
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}"


def _wait_until_up(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the S3 server did not start")
