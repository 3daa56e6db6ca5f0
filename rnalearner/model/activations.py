"""Activations of the frozen prefix on disk: computed once, then mapped into memory by whoever needs them.

Shapes: n samples, g genes, l = g + 1 positions, d model width. A folder an encoder's frozen part and cut,
named by a hash of all that the activations depend on; in it hidden_nld.npy (float32) and its sha256.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from rnalearner.model.encoder import ExpressionEncoder
from rnalearner.model.prefix import autocast
from rnalearner.publish import publish_folder, sha256_of, write_json

HIDDEN, MANIFEST = "hidden_nld.npy", "activations.json"


def activations_key(encoder: ExpressionEncoder, tokens_ng: Tensor, cut: int) -> str:
    """Hash of the tokens, of all weights and projections below block `cut`, and of the arithmetic."""
    digest = hashlib.sha256()
    below: tuple[str, ...] = ("bin_embedding.", "value_embedding.", "extra_d", "gene_vectors_gd")
    below += tuple(f"performer.net.layers.{block}." for block in range(cut))
    frozen = {name: value for name, value in encoder.state_dict().items() if name.startswith(below)}
    device = encoder.gene_vectors_gd.device.type  # bf16 on one kind, float32 on the other
    about = [device, cut, encoder.config.heads, encoder.pad_token, *frozen]
    digest.update(json.dumps(about).encode())
    for value in (tokens_ng, *frozen.values()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array)
    return digest.hexdigest()


def store_activations(
    folder: Path,
    encoder: ExpressionEncoder,
    tokens_ng: Tensor,
    cuts: Sequence[int],
    limit_mb: int,
    batch_size: int = 8,
) -> list[int]:
    """Store the hidden states before each block of `cuts`, in one pass; returns the cuts that are stored.

    Earlier ones in `cuts` come first where the folder would outgrow `limit_mb`. What is there already
    and undamaged is not computed again. A cut of 0 freezes nothing, and is never stored. One process
    stores at a time: what another left half-written is removed.
    """
    for half_written in folder.glob(".*"):
        shutil.rmtree(half_written)
    shape = (len(tokens_ng), encoder.n_genes + 1, encoder.config.dim)
    used = sum(path.stat().st_size for path in folder.glob(f"*/{HIDDEN}"))
    wanted: list[int] = []
    there: list[int] = []
    for cut in dict.fromkeys(cuts):
        if cut > 0 and stored_activations(folder, encoder, tokens_ng, cut) is not None:
            there.append(cut)
        elif cut > 0 and used + 4 * np.prod(shape) <= limit_mb * 2**20:
            used += 4 * int(np.prod(shape))
            wanted.append(cut)
    with ExitStack() as stack:
        targets = {cut: folder / activations_key(encoder, tokens_ng, cut) for cut in sorted(wanted)}
        made = {cut: stack.enter_context(publish_folder(target)) for cut, target in targets.items()}
        files = {cut: open_memmap(path / HIDDEN, "w+", np.float32, shape) for cut, path in made.items()}
        for start in range(0, len(tokens_ng) if wanted else 0, batch_size):
            batch = slice(start, start + batch_size)
            for cut, hidden_nld in _at_cuts(encoder, tokens_ng[batch], list(files)):
                files[cut][batch] = hidden_nld.float().cpu().numpy()
        for cut, path in made.items():
            files[cut].flush()
            write_json(path / MANIFEST, {"cut": cut, "sha256": sha256_of(path / HIDDEN)})
    return [cut for cut in dict.fromkeys(cuts) if cut in wanted or cut in there]


def stored_activations(
    folder: Path, encoder: ExpressionEncoder, tokens_ng: Tensor, cut: int
) -> Tensor | None:
    """Hidden states n x l x d before block `cut`, mapped; None where there are none, or damaged ones.

    All processes that map them share the pages. Writing to the tensor changes this process' copy alone.
    """
    path = folder / activations_key(encoder, tokens_ng, cut)
    try:
        expected = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["sha256"]
        if sha256_of(path / HIDDEN) != expected:
            return None
        return torch.from_numpy(np.load(path / HIDDEN, mmap_mode="c"))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@torch.no_grad()
def _at_cuts(encoder: ExpressionEncoder, tokens_ng: Tensor, cuts: Sequence[int]) -> list[tuple[int, Tensor]]:
    """Each cut, ascending, with the hidden state before it."""
    device = encoder.gene_vectors_gd.device
    tokens_ng = tokens_ng.to(device)
    found = []
    with autocast(device):
        hidden_nld, measured_nl = encoder.embed(tokens_ng), encoder.measured(tokens_ng)
        for before, cut in zip((0, *cuts), cuts, strict=False):
            hidden_nld = encoder.blocks(hidden_nld, measured_nl, before, cut)
            found.append((cut, hidden_nld))
    return found
