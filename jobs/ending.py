"""How a command ends: asked to, by an error of the user's, or by one of the system's."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rnalearner.errors import InputError, RnalearnerError

Fault = dict[str, str]
"""where, what, remedy: a RnalearnerError's three parts."""


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """SIGTERM is Ctrl-C: what holds a cluster or half a file lets go of it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = (signal.SIGTERM, signal.SIGINT)
    before = {name: signal.getsignal(name) or signal.SIG_DFL for name in names}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def hold_signals() -> None:
    """From here on the result is written, whoever asks to stop."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def outcome(
    error: BaseException, verb: str, attempt: int, superseded: int | None
) -> tuple[str, str | None, Fault | None]:
    """Status, cause and sentence of a command that an exception ended.

    The cause is the user where the error is one that they can mend. Whatever is no Exception
    (KeyboardInterrupt, SystemExit) was asked for: by somebody, or by the attempt that came after.
    """
    if isinstance(error, RnalearnerError):
        cause = "user" if error.exit_code == InputError.exit_code else "system"
        return "FAILED", cause, _fault(error.where, error.what, error.remedy)
    if isinstance(error, Exception):
        first = (str(error).strip().splitlines() or ["no message"])[0]
        what = f"failed with {type(error).__name__} ({first})"
        return "FAILED", "system", _fault(verb, what, "see its log; the same command goes on from there")
    if superseded is None:
        return "STOPPED", None, None
    what = f"ended itself, because attempt {superseded} has begun"
    return "STOPPED", None, _fault(f"attempt {attempt}", what, "follow the later one")


def _fault(where: str, what: str, remedy: str) -> Fault:
    return {"where": where, "what": what, "remedy": remedy}
