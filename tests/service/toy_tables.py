"""A tiny table of counts, its sheet of labels, and waiting for what is said of them."""

import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # tables themselves need no gateway
    from tests.service.harness import Caller

SAMPLES = [f"S{number}" for number in range(1, 7)]
SHEET = b"sample,label,subject\n" + b"".join(
    f"{sample},{'abc'[row % 3]},m{row}\n".encode() for row, sample in enumerate(SAMPLES)
)


def table(seed: int = 0, n_genes: int = 40) -> bytes:
    """Genes in rows, six samples; another seed, other counts."""
    rows = [
        f"ENSMUSG{gene:011d},"
        + ",".join(str((seed * 7919 + gene * 104_729 + sample * 1_299_709) % 997) for sample in range(6))
        for gene in range(1, n_genes + 1)
    ]
    return "\n".join([",".join(["gene", *SAMPLES]), *rows, ""]).encode()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def when_validated(caller: "Caller", path: str, timeout: float = 60) -> dict[str, Any]:
    """The dataset, once it is READY or REJECTED."""
    shown: dict[str, Any] = {}

    def is_validated() -> bool:
        nonlocal shown
        shown = caller.get(path).json()
        return bool(shown["state"] != "VALIDATING")

    wait_until(is_validated, timeout)
    return shown


def wait_until(is_so: Callable[[], bool], timeout: float = 60) -> None:
    """Look again and again; fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not is_so():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.03)
