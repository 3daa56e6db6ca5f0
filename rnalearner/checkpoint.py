"""Weights on disk: safetensors beside a JSON manifest with its sha256. No pickle."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from safetensors import SafetensorError

from rnalearner.errors import CheckpointError
from rnalearner.publish import publish_folder, sha256_of, write_json

if TYPE_CHECKING:
    import torch

WEIGHTS, MANIFEST = "weights.safetensors", "checkpoint.json"
Loaded = TypeVar("Loaded")
_WORDS = {"sha256", "meta_sha256", "meta"}


def save_checkpoint(folder: Path, tensors: Mapping[str, "torch.Tensor"], meta: Mapping[str, Any]) -> str:
    """Write `tensors` and `meta` to `folder` as one; return the sha256 of the weights.

    `meta` should hold `gene_set` (its hash) and `scale` wherever weights depend on them.
    """
    from safetensors.torch import save_file  # here, not above: torch takes seconds and much memory

    # Cloned, because safetensors refuses tensors that share storage.
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    return _save(folder, lambda path: save_file(plain, path), meta)


def save_arrays(folder: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> str:
    """`save_checkpoint` for arrays, without torch; the files are the same."""
    from safetensors.numpy import save_file

    plain = {name: np.asarray(value, order="C") for name, value in arrays.items()}
    return _save(folder, lambda path: save_file(plain, path), meta)


def load_checkpoint(folder: Path) -> tuple[dict[str, "torch.Tensor"], dict[str, Any]]:
    """Read tensors (on the CPU) and `meta`; raises CheckpointError where bytes do not match."""
    from safetensors.torch import load_file

    return _load(folder, load_file)


def load_arrays(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """`load_checkpoint` as arrays, without torch."""
    from safetensors.numpy import load_file

    return _load(folder, load_file)


def load_meta(folder: Path) -> dict[str, Any]:
    """Only `meta`; raises CheckpointError where the manifest is missing or damaged."""
    return _manifest(folder)["meta"]


def check_same(folder: Path, meta: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise CheckpointError where `meta` differs from `expected` (gene set, scale, model)."""
    for key, value in expected.items():
        if meta.get(key) != value:
            raise CheckpointError(
                folder,
                f"its {key.replace('_', ' ')} is {_short(meta.get(key))}, not {_short(value)}",
                "use a checkpoint made with the same genes, scale and model, or pretrain again",
            )


def _save(folder: Path, write: Callable[[Path], None], meta: Mapping[str, Any]) -> str:
    with publish_folder(folder) as temporary:
        write(temporary / WEIGHTS)
        digest = sha256_of(temporary / WEIGHTS)
        checksums = {"sha256": digest, "meta_sha256": _digest(meta)}
        write_json(temporary / MANIFEST, {**checksums, "meta": dict(meta)})
    return digest


def _load(
    folder: Path, read: Callable[[Path], dict[str, Loaded]]
) -> tuple[dict[str, Loaded], dict[str, Any]]:
    manifest = _manifest(folder)
    try:
        if sha256_of(folder / WEIGHTS) != manifest["sha256"]:
            raise CheckpointError(folder, "the weights do not match their checksum", "restore or remake it")
        return read(folder / WEIGHTS), manifest["meta"]
    except OSError as error:
        raise CheckpointError(folder, f"is not a complete checkpoint ({error})", "remake it") from None
    except SafetensorError as error:
        raise CheckpointError(folder, f"the weights cannot be read ({error})", "remake it") from None


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
        manifest = json.loads(text)
        found = {"sha256": manifest["sha256"], "meta": dict(manifest["meta"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(folder, f"is not a complete checkpoint ({error})", "remake it") from None
    # A flipped bit may hide the checksum, or leave every value as it was (1e-05, 1E-05).
    as_written = json.dumps(manifest, indent=2) + "\n" == text and manifest.keys() <= _WORDS
    if not as_written or manifest.get("meta_sha256", _digest(found["meta"])) != _digest(found["meta"]):
        raise CheckpointError(folder, "its manifest does not match its checksum", "restore or remake it")
    return found


def _digest(meta: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(meta), sort_keys=True).encode()).hexdigest()


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
