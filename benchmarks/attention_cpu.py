"""performer-pytorch's FastAttention against FavorAttention on this CPU: seconds, and memory beyond inputs.

    python -m benchmarks.attention_cpu [--repeats 5]

At the recipe's own size and at the demo's, forward without gradients and forward with backward, with one
thread and with two. Each is measured in a process of its own; times are the fastest of its repeats, memory
is the most that was resident (Linux) beyond what there was before. The last line is one JSON object.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measured_child import ROOT, rounded

SIZES = {"recipe": (2, 10, 15118, 64, 266), "demo": (8, 4, 1001, 8, 32)}
"""Samples, heads, positions, width of a head, random features."""
WHO, THREADS = ("performer", "favor"), (2, 1)


def resident(what: str) -> float:
    """MiB of this process: VmRSS, now; VmHWM, at most."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(what))
    return int(line.split()[1]) / 1024


def measured(step: Callable[[], Any], repeats: int) -> dict[str, float]:
    """The fastest of `repeats` after a first, and how far memory rose in that first."""
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
    step()
    memory = resident("VmHWM") - before
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begun)
    return {"seconds": min(seconds), "peak_mib": memory}


def child(who: str, size: str, threads: int, repeats: int) -> None:
    """Prints what one of both takes."""
    import torch
    from performer_pytorch import FastAttention
    from torch import Tensor

    from rnalearner.model.favor.attention import FavorAttention

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    n, heads, positions, width, features = SIZES[size]
    attention = (FastAttention if who == "performer" else FavorAttention)(width, features)
    # Heads side by side, as linear maps leave them.
    four = [torch.randn(n, positions, heads, width).transpose(1, 2) for _ in range(4)]
    q, k, v, grad = four

    def forward() -> None:
        with torch.no_grad():
            attention(q, k, v)

    def both(q: Tensor = q, k: Tensor = k, v: Tensor = v, grad: Tensor = grad) -> None:
        attention(*(x.detach().requires_grad_() for x in (q, k, v))).backward(grad)

    both(*(x[:, :, :64] for x in four))  # what is loaded at the first call is no attention's memory
    found = {"forward": measured(forward, repeats), "forward_and_backward": measured(both, repeats)}
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        who, size, threads = asked.child
        child(who, size, int(threads), asked.repeats)
        return
    command = [sys.executable, "-m", "benchmarks.attention_cpu", "--repeats", str(asked.repeats), "--child"]
    results: dict[str, Any] = {}
    for size, threads, who in itertools.product(SIZES, THREADS, WHO):
        said = subprocess.check_output([*command, who, size, str(threads)], cwd=ROOT, text=True)
        found = rounded(json.loads(said.splitlines()[-1]))
        results[f"{size}, {threads} threads, {who}"] = found
        print(size, threads, who, found, flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
