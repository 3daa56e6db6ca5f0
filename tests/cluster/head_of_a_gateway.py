"""A gateway's part with Ray: `python -m tests.cluster.head_of_a_gateway FOLDER` keeps a head.

Prints its address once it is up; ends it, and itself, when its standard input ends.
"""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from cluster.head import EmbeddedRay
from rnalearner.errors import ClusterError


def wait_until_up(head: EmbeddedRay, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(ClusterError):
            return head.check()
        time.sleep(0.1)
    raise TimeoutError("Ray did not come up")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    head = EmbeddedRay(folder, num_cpus=2, object_store_mb=100)
    try:
        wait_until_up(head)
        sys.stdout.write(json.loads((folder / "ray.json").read_text())["address"] + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        head.close()
