"""Pretraining on a GPU at the paper's sizes: samples/s and memory, beside performer-pytorch, in one run.

    python -m benchmarks.pretrain_speed --run RUN      # RUN: a run's folder with `ingest` done

`loop`: the real training loop on RUN's shards, as a worker runs it. All else: the real step on random tokens,
repeated: ours, performer-pytorch in float32, in bf16 and compiled, and exact attention (flash) compiled; then
ours over numbers of genes; 300 steps on RUN's shards beside performer-pytorch's in float32 (`curve`); and 12
samples fine-tuned for 500 epochs, 12 more watched (`finetune`). `--parts` chooses. gib_per_sample: the peak
of allocated memory over the samples of a step. share_of_ceiling: the model's operations in a second (its own
formula, nothing counted for what is computed twice) over the rate of a product of two 8192 x 8192 matrices in
bf16. Two GPUs: `rnalearner pretrain`, once with `--pretrain.num_workers 1`, once with 2. Last line: one JSON
object.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from benchmarks.pretrain_steps import (
    PAPER,
    Cost,
    curve_difference,
    finetuning_seconds,
    flops_a_sample,
    loop_cost,
    matrix_rate,
    step_cost,
)

GENES = 15_117
RIVALS = (
    # how attention is computed, in bf16, compiled, samples a step
    ("performer", False, False, 8),
    ("performer", True, False, 8),
    ("performer", True, True, 8),
    ("exact", True, True, 8),
)
LENGTHS = ((2_000, 64), (4_000, 64), (8_000, 64), (16_000, 32), (32_000, 16), (64_000, 8))


def told(name: str, cost: Cost, sizes: int, rate: float) -> dict[str, Any]:
    """Print a row of the table, and return its figures."""
    share = cost.samples_per_s * flops_a_sample(PAPER, sizes) / rate
    row = {
        "samples_per_s": round(cost.samples_per_s, 1),
        "gib_per_sample": round(cost.gib_per_sample, 3),
        "share_of_ceiling": round(share, 3),
    }
    print(f"{name:44s} batch {cost.batch:3d} " + "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    return row


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--parts", default="ours,rivals,lengths,loop,curve,finetune")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=300, help="steps of the curve")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(0, "there is no GPU here: nothing was measured\n")
    parts = asked.parts.split(",")
    if asked.run is None and {"loop", "curve"} & set(parts):
        parser.error("loop and curve read shards: say --run RUN")
    rate = matrix_rate()
    figures: dict[str, Any] = {"device": torch.cuda.get_device_name(), "matrix_tflops": round(rate / 1e12)}
    print(f"{figures['device']}, {figures['matrix_tflops']} TFLOP/s in a product of matrices")
    if "ours" in parts:
        for batch in (8, asked.batch):
            figures["ours"] = told("ours", step_cost("auto", True, False, GENES, batch), GENES, rate)
    if "rivals" in parts:
        for kind, bf16, compiled, batch in RIVALS:
            name = f"{kind} {'bf16' if bf16 else 'float32'}{' compiled' if compiled else ''}"
            cost = step_cost(kind, bf16, compiled, GENES, batch)
            figures[name.replace(" ", "_")] = told(name, cost, GENES, rate)
    if "lengths" in parts:
        for genes, batch in LENGTHS:
            cost = step_cost("auto", True, False, genes, batch)
            figures[f"ours_{genes}"] = told(f"ours, {genes} genes", cost, genes, rate)
    if "loop" in parts:
        cost, genes = loop_cost(asked.run, asked.batch)
        figures["loop"] = told("ours, the loop on real shards", cost, genes, rate)
    if "curve" in parts:
        figures["curve"] = curve_difference(asked.run, asked.steps)
        print("curve", figures["curve"])
    if "finetune" in parts:
        figures["finetune_s"] = finetuning_seconds(GENES)
        print("finetune", figures["finetune_s"])
    ours = figures.get("loop", figures.get("ours"))
    if ours:
        figures |= ours
    if ours and "performer_float32" in figures:
        figures["times_performer_pytorch"] = {
            name: round(ours["samples_per_s"] / figures[name]["samples_per_s"], 1)
            for name in (
                "performer_float32",
                "performer_bf16",
                "performer_bf16_compiled",
                "exact_bf16_compiled",
            )
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
