"""What an answer means, and how long to wait before asking again: pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

BASE_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
LONGEST_ASKED_S = 300.0
"""Who asks for a longer wait than this is asked again after it: a queue of hours is not for us to keep."""

Meaning = Literal["body", "absent", "restart", "again", "refused"]


def meaning(status: int) -> Meaning:
    """Of an HTTP status. 403 is absent: object stores say it of what they do not have."""
    if status in (200, 206):
        return "body"
    if status in (403, 404, 410):
        return "absent"
    if status == 416:  # what is here already is longer than the file there
        return "restart"
    return "again" if status in (408, 425, 429) or status >= 500 else "refused"


def wait_s(failures: int, asked_s: float | None, jitter: float) -> float:
    """Before try `failures` + 1: twice as long each time, less up to a half by chance (`jitter` in [0, 1)).

    By chance, so that many who failed together do not come back together. What the server asked
    for is kept, in bounds.
    """
    own_s = min(LONGEST_WAIT_S, BASE_WAIT_S * 2 ** (failures - 1)) * (1 - jitter / 2)
    return max(own_s, min(asked_s or 0.0, LONGEST_ASKED_S))


def asked_wait_s(retry_after: str | None, now: datetime) -> float | None:
    """A Retry-After header, which is seconds or a date; None where there is none that can be read."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())
