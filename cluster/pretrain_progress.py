"""How far pretraining is: rank 0 tells it by a file, which survives the death of either; the driver polls."""

import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from rnalearner.pretrain.loss import score_means
from rnalearner.storage import Storage

PROGRESS = "progress.json"
TELL_EVERY_S = 1.0
"""Between two writings of it; each waits for the device and for the disk."""

OnProgress = Callable[[int, int, Mapping[str, float]], None]
"""Called with steps done, steps at most, and figures of the newest step; from a thread."""


class Teller:
    """Writes how far training is, at most every TELL_EVERY_S."""

    def __init__(self, place: Storage) -> None:
        self._place, self._told = place, 0.0

    def __call__(self, step: int, score_3: Tensor) -> None:
        if time.monotonic() - self._told < TELL_EVERY_S:
            return
        loss, accuracy = score_means(score_3)
        figures = {"train_loss": loss, "train_accuracy": accuracy}
        if math.isfinite(loss):  # JSON has no NaN
            news = {"step": step, "pid": os.getpid(), "figures": figures}
            self._place.put(PROGRESS, json.dumps(news, allow_nan=False).encode())
        self._told = time.monotonic()


@contextmanager
def polled(told: Storage, max_steps: int, on_progress: OnProgress) -> Iterator[None]:
    """Call `on_progress` from a thread whenever the file tells of another step."""
    done = threading.Event()

    def poll() -> None:
        last = None
        while not done.wait(TELL_EVERY_S / 2):
            try:
                news = json.loads(told.get(PROGRESS))
            except FileNotFoundError:
                continue
            if news["step"] != last:
                last = news["step"]
                on_progress(last, max_steps, news["figures"])

    thread = threading.Thread(target=poll, name="pretraining progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
