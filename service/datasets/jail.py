"""Where uploads are read: a process that sees what it needs and nothing else, and reaches nobody.

Bubblewrap makes the jail, without any right that the gateway lacks: no network, no other process, a
read-only view of the program and of the upload, one folder to write to. Its limits on memory and time the
reader sets itself (jobs/validate.py), jailed or not.
"""

import logging
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from rnalearner.errors import GatewayError
from service.settings import Settings

_SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.conf")
"""Where programs find their libraries. No other part of /etc: it holds names and secrets."""
_ROOMS = ("jobs", "service", "rnalearner")
_TRIAL_S = 20.0
_log = logging.getLogger("rnalearner.gateway")


def is_jailed(settings: Settings) -> bool:
    """Whether uploads are read in a jail here; raises GatewayError where they must be and cannot."""
    if settings.jail == "limits":
        return False
    fault = _fault()
    if fault is not None and settings.jail == "bubblewrap":
        raise GatewayError("bubblewrap", fault, "install it, or let this user make namespaces")
    return fault is None


def say_how(settings: Settings) -> None:
    """Warn where limits are all; raises GatewayError as `is_jailed` does."""
    if not is_jailed(settings):
        _log.warning(
            "uploads are read under limits, but in no jail: %s", _fault() or "the setting jail says so"
        )


def jailed(words: Iterable[str], readable: Iterable[Path | None], folder: Path) -> list[str]:
    """The command in a jail where only `readable` and the program are seen, and only `folder` is written."""
    view = ["--tmpfs", "/tmp"]  # noqa: S108 - the jail's own
    for path in (*map(Path, _SYSTEM), *_program(), *(path for path in readable if path is not None)):
        view += ["--ro-bind-try", str(path), str(path)]
    view += ["--bind", str(folder), str(folder), "--chdir", str(folder)]
    return [*_BUBBLEWRAP, *view, "--", *words]


_BUBBLEWRAP = [
    *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    *("--proc", "/proc", "--dev", "/dev", "--hostname", "jail"),
]


@cache
def _program() -> tuple[Path, ...]:
    """Python with its libraries, and ours, wherever they are installed."""
    rooms = [Path(spec.origin).parent for name in _ROOMS if (spec := find_spec(name)) and spec.origin]
    python = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    # What is inside another is seen with it.
    wanted = {path for path in (*python, *rooms) if path != Path("/usr")}
    return tuple(sorted(path for path in wanted if not any(other in path.parents for other in wanted)))


@cache
def _fault() -> str | None:
    """Why there is no jail on this machine; None where one works."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return "is not installed"
    trial = jailed([sys.executable, "-I", "-c", "import jobs.validate"], [], Path("/tmp"))  # noqa: S108
    try:
        done = subprocess.run(trial, capture_output=True, timeout=_TRIAL_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return "does not come to an end"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return None if done.returncode == 0 else f"does not work here ({said[-1] if said else done.returncode})"


def plain_file(path: Path, most: int) -> bool:
    """Whether what a reader left is a file of its own, of at most so many bytes, and no link elsewhere."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size <= most
