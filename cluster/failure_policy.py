"""What to do about a scout that failed: how it failed in, a decision out. Pure: no Ray here."""

from dataclasses import dataclass
from enum import Enum

from rnalearner.errors import InputError, RnalearnerError


class Decision(Enum):
    RETRY = "retry"
    SKIP = "skip"
    RAISE = "raise"


@dataclass(frozen=True)
class Limits:
    """How much failure a run puts up with."""

    max_retries: int = 2
    """New starts of a scout that failed by itself, in a row, without a new durable delta between them."""
    max_lost: int = 20
    """The same for one whose process or host was lost: those that share hosts with others are lost often."""
    max_unbegun: int = 100
    """The same for one whose process was lost while it started, before there was anything of the scout in
    it: where processes die every few seconds most of them never get further."""
    max_skipped_share: float = 0.2
    """Share of the scouts that the guide may do without."""


@dataclass(frozen=True)
class Verdict:
    """The decision, and why, with the number that decided."""

    decision: Decision
    reason: str


def decide(
    error: BaseException,
    lost: bool,
    began: bool,
    fruitless: int,
    n_skipped: int,
    n_scouts: int,
    limits: Limits | None = None,
) -> Verdict:
    """Judge the failure of a scout that has failed in this way `fruitless` times since its last new durable
    delta, with `n_skipped` scouts given up before; `lost`: its process or host is gone; `began`: the scout
    had begun in it.

    What the user gave does not get better by trying again, and every scout would meet it: RAISE. A
    scout that diverged would diverge again: SKIP. Anything else (a worker killed, a host lost, memory
    full) may be chance: RETRY, then SKIP, then, with too many skipped, RAISE.
    """
    limits = limits or Limits()
    if isinstance(error, InputError):
        return Verdict(Decision.RAISE, "its input is not usable, for no scout")
    retries = limits.max_retries
    if lost:
        retries = limits.max_lost if began else limits.max_unbegun
    if not isinstance(error, RnalearnerError) and fruitless < retries:
        return Verdict(Decision.RETRY, f"retry {fruitless + 1} of {retries} without a new delta")
    most = int(limits.max_skipped_share * n_scouts)
    given_up = f"{n_skipped + 1} of {n_scouts} scouts given up, at most {most} may be"
    return Verdict(Decision.SKIP if n_skipped < most else Decision.RAISE, given_up)
