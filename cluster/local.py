"""A Ray session for the length of a `with` block: a private cluster, or somebody's by address."""

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray

import cluster
import rnalearner
from cluster.loopback import LOOPBACK, OPENED, on_loopback
from cluster.resources import private_cluster, use_gpu
from rnalearner.config.run import RaySettings
from rnalearner.errors import ClusterError

# Ray puts about 60 characters of socket path below its folder, and Unix allows 107 in all.
_LONGEST_FOLDER = 40


@contextmanager
def ray_session(settings: RaySettings) -> Iterator[None]:
    """Connect to `settings.address`, or start a private cluster and end it afterwards.

    Inside a session that is already open it does nothing, so sessions nest. Only what was started
    here is ended: by ray.shutdown, never by a process's name. The private cluster has no dashboard
    (starts in 4 s instead of 5) and keeps its workers' lines in files: without a dashboard a helper
    of Ray Train would write one a second.

    Raises ClusterError where Ray does not start or connect, or lacks the GPUs that were asked for.
    """
    if ray.is_initialized():
        yield
        return
    ensure_private_token()
    folder = None if settings.address else short_folder()
    try:
        try:
            with _own_sigterm():
                if folder is None:
                    _connect(settings)
                else:
                    with on_loopback():
                        ray.init(
                            address="local",
                            include_dashboard=False,
                            log_to_driver=False,
                            logging_level=logging.ERROR,
                            _temp_dir=str(folder / OPENED),
                            _node_ip_address=LOOPBACK,
                            **private_cluster(settings),
                        )
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            where = f"Ray at {settings.address}" if settings.address else "a private Ray cluster"
            raise ClusterError(where, f"did not start ({error})", "see `[ray]` in the recipe") from error
        use_gpu(settings)
        yield
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Give SIGTERM back to whoever handles it: Ray's handler ends the process on the spot."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if callable(before) and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _connect(settings: RaySettings) -> None:
    """Join a running cluster; the code travels along, unless it came with a submitted job."""
    packages = [str(Path(str(package.__file__)).parent) for package in (rnalearner, cluster)]
    host, _, port = str(settings.address).rpartition(":")
    if host and port.isdigit() and "://" not in host:
        # Ray itself tries an address where nobody listens for more than ten minutes.
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    submitted = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    ray.init(
        address=settings.address,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env=None
        if submitted
        else {
            "py_modules": packages,
            "excludes": ["**/__pycache__"],
            "env_vars": {"OMP_WAIT_POLICY": os.environ["OMP_WAIT_POLICY"]},
        },
    )


def short_folder() -> Path:
    """A new folder of this user alone (mode 0700) whose path leaves room for Ray's sockets."""
    parent = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="rl-", dir=parent if len(parent) < _LONGEST_FOLDER - 12 else "/tmp"))  # noqa: S108


def ensure_private_token() -> None:
    """Make the token that Ray asks for, or take other users' access to it away.

    Ray itself writes the file readable to all. `RAY_AUTH_TOKEN` and `RAY_AUTH_TOKEN_PATH` win.
    """
    if os.environ.get("RAY_AUTH_MODE") != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(temporary, path)  # unlike a rename, never replaces the token of a simultaneous start
        os.unlink(temporary)
    if path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
        path.chmod(0o600)
