"""What a scout costs, with and without its frozen blocks' activations kept; what a guide's ledger takes.

    python benchmarks/scout_speed.py                # small sizes, any machine
    python benchmarks/scout_speed.py --paper        # dim 200, depth 6, 15,117 genes: a GPU

One encoder with random weights, random tokens. `through_all`: as published, gradients through all blocks
though the last one trains. `frozen`: no autograd below it, nothing kept. `cached`: what lies below is
computed once a sample. Samples/s are of training rounds after the first, which fills the cache. Then deltas
of 20 MB are pushed into a ledger and folded into a guide: deltas_per_s, and guide_mib, the memory that a
ledger and its fold have taken after 64 scouts, and after 4. Last line: one JSON object.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import torch
from torch import nn

from rnalearner.config import ModelConfig, PreprocessingConfig, ScoutingConfig
from rnalearner.guide.faults import Base
from rnalearner.guide.ledger import Announcement, Ledger
from rnalearner.guide.movement import Movement
from rnalearner.model.build import new_encoder
from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.heads import SampleClassifier, seeded_classifier
from rnalearner.scouts.activations import SharedActivations
from rnalearner.scouts.contrast import Contrast
from rnalearner.scouts.delta import WeightDelta
from rnalearner.scouts.train import Scout, run_episode
from rnalearner.storage import Storage, sha256

SCOUTS, SAMPLES = 24, 13_000
"""Of the paper; its authors' logs add up to 299 GPU-hours."""


def encoder_of(paper: bool, device: torch.device) -> ExpressionEncoder:
    sizes = ModelConfig() if paper else ModelConfig(dim=32, depth=4, heads=4, dim_head=8, n_features=32)
    n_genes = 15_117 if paper else 2_000
    vectors_gd = torch.randn(n_genes, sizes.dim, generator=torch.Generator().manual_seed(0))
    return new_encoder(sizes, PreprocessingConfig(), vectors_gd, seed=0).to(device)


def tokens_of(encoder: ExpressionEncoder, n: int) -> np.ndarray:
    """Groups that differ in a tenth of the genes, for both halves of the rows."""
    rng = np.random.default_rng(0)
    tokens_ng = rng.integers(2, 8, (n, encoder.n_genes)).astype(np.uint8)
    tokens_ng[n // 2 :, ::10] = 9
    return tokens_ng


def through_all(
    encoder: ExpressionEncoder, head: SampleClassifier, tokens_ng: np.ndarray, batch: int
) -> float:
    """Samples/s of the published loop: every block in the graph, one optimiser step a batch."""
    device = encoder.gene_vectors_gd.device
    encoder.train_only(0)
    trained = [*encoder.trained_parameters(1).values(), *head.parameters()]
    optimiser = torch.optim.Adam(trained, lr=1e-4)
    tokens = torch.from_numpy(tokens_ng)

    def step(first: int) -> None:
        part = tokens[first : first + batch].to(device)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            hidden = encoder(part)
        logits = head.layers(head.features(hidden.float(), encoder.measured(part)))
        nn.functional.cross_entropy(
            logits, torch.zeros(len(part), dtype=torch.long, device=device)
        ).backward()
        optimiser.step()

    step(0)
    return samples_per_s(lambda: [step(first) for first in range(0, len(tokens), batch)], len(tokens), device)


def samples_per_s(work: Callable[[], Any], n: int, device: torch.device) -> float:
    def settled() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    begun = settled()
    work()
    return n / (settled() - begun)


def scouted(paper: bool, device: torch.device, n: int, cache_mb: int, rounds: int) -> dict[str, float]:
    """Samples/s of the first round and of the later ones, by the times at which deltas came."""
    encoder = encoder_of(paper, device)
    head = seeded_classifier(encoder.gene_vectors_gd, "gene_pool", 0)
    tokens_ng, times = tokens_of(encoder, n), []
    half = n // 2
    config = ScoutingConfig(
        max_epochs=rounds, round_samples=n, converged_accuracy=1, validation_samples=16, learning_rate=1e-6
    )
    # Labels that tokens do not tell: it does not converge before its last round.
    order = np.random.default_rng(1).permutation(n)
    scout = Scout("speed", 0, "base", Contrast("speed", "", order[:half], order[half:]))
    shared = SharedActivations(cache_mb)

    def heard(delta: WeightDelta, state: object) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    begun = time.perf_counter()
    run_episode(
        encoder, head, scout, lambda rows: tokens_ng[rows], config, heard, device=device, shared=shared
    )
    trained = round(0.8 * n)
    later = np.diff(times)
    return {
        "first": trained / (times[0] - begun),
        "later": trained / float(np.median(later)),
        "computed": shared.computed,
        "kept_mib": shared.n_bytes / 2**20,
        "mib_a_sample": shared.n_bytes / max(len(shared), 1) / 2**20,
    }


def into_the_guide(n_scouts: int, megabytes: float) -> dict[str, float]:
    """Push one delta a scout and fold them; deltas/s of both together, and what memory that took."""
    process, rng = psutil.Process(), np.random.default_rng(0)
    size = int(megabytes * 1e6 / 4)
    base = Base("base", {"w": (size,)}, 1.0, n_genes=1)
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(folder)
        said = []
        for scout_id in range(n_scouts):
            value = rng.standard_normal(size, np.float32) * 1e-2
            delta = WeightDelta(
                "run", scout_id, 1, 1, 8, "base", "weights", {"w": value}, np.zeros(1, np.float32)
            )
            data = delta.to_bytes()
            said.append(Announcement("run", scout_id, 0, 1, sha256(data)))
            storage.put(said[-1].path, data)
        before = process.memory_info().rss
        ledger, movement, most = Ledger(storage, "run", base, 3.0), Movement("base"), 0
        begun = time.perf_counter()
        for announcement in said:
            assert ledger.push(announcement).accepted
            most = max(most, process.memory_info().rss)
        pushed = time.perf_counter() - begun
        for announcement in said:
            row = ledger.last(announcement.scout_id)
            assert row is not None
            movement.add(ledger.delta(row), row.sha256)
            most = max(most, process.memory_info().rss)
        movement.measured("squared")
        folded = time.perf_counter() - begun - pushed
    return {
        "pushed_per_s": n_scouts / pushed,
        "folded_per_s": n_scouts / folded,
        "mib": (most - before) / 2**20,
    }


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--samples", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--cache-mb", type=int, default=8192)
    asked = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    n, figures = asked.samples, {}
    encoder = encoder_of(asked.paper, device)
    head = seeded_classifier(encoder.gene_vectors_gd, "gene_pool", 0).to(device)
    figures["through_all_samples_per_s"] = through_all(encoder, head, tokens_of(encoder, n), 8)
    del encoder, head
    frozen = scouted(asked.paper, device, n, 0, asked.rounds)
    cached = scouted(asked.paper, device, n, asked.cache_mb, asked.rounds)
    figures |= {
        "frozen_samples_per_s": frozen["later"],
        "cached_samples_per_s": cached["later"],
        "cached_first_round_samples_per_s": cached["first"],
        "mib_a_sample": cached["mib_a_sample"],
    }
    if asked.paper:
        # An epoch that fills the cache, then further ones; with a held-out look (512 samples) each 1,024.
        trained, looks = 0.8 * SAMPLES, 0.8 * SAMPLES / 1024
        first = trained / cached["first"] + looks * 512 / cached["later"]
        later = trained / cached["later"] + looks * 512 / cached["later"]
        for epochs in (1, 3, 10):
            hours = SCOUTS * (first + (epochs - 1) * later) / 3600
            figures[f"projected_gpu_hours_{epochs}_epochs"] = hours
    few, many = into_the_guide(4, 20), into_the_guide(64, 20)
    figures |= {
        "deltas_per_s": 1 / (1 / many["pushed_per_s"] + 1 / many["folded_per_s"]),
        "pushed_per_s": many["pushed_per_s"],
        "folded_per_s": many["folded_per_s"],
        "guide_mib": many["mib"],
        "guide_mib_4_scouts": few["mib"],
    }
    told = {name: round(float(value), 2) for name, value in figures.items()}
    told |= {"device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu"}
    for name, value in told.items():
        print(f"{name:36s} {value}")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
