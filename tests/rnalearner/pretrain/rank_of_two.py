"""One of two workers of pretraining, as a process of its own; what it did is left in a folder.

python -m tests.rnalearner.pretrain.rank_of_two RANK FOLDER    # FOLDER/shards: the toy corpus
"""

import json
import sys
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn

from rnalearner.config import ModelConfig, PretrainConfig
from rnalearner.pretrain import ranks
from rnalearner.pretrain.batches import PretrainData
from rnalearner.pretrain.loop import Rank, pretrain
from rnalearner.pretrain.masking import MaskedBatch
from rnalearner.pretrain.state import Progress
from rnalearner.pretrain.step import PretrainModel, make_optimiser, new_pretrain_model, train_step
from rnalearner.pretrain.stopping import EarlyStopping
from rnalearner.shards.read import ShardStore

MODEL = ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8, feedforward_mult=2)
RATE = 1e-2
messages: list[int] = []
"""Numbers in each message to the other worker."""


def toy(store: ShardStore, **fields: object) -> tuple[PretrainData, PretrainModel]:
    config = PretrainConfig.model_validate({"batch_size": 4, "evaluate_every": 3, "max_steps": 3, **fields})
    data = PretrainData(store, np.arange(40), np.arange(40, 48), config, shuffle_groups=2)
    vectors_gd = np.random.default_rng(3).standard_normal((len(store.gene_set), MODEL.dim))
    return data, new_pretrain_model(MODEL, config, store.preprocessing, vectors_gd, data.histogram())


def stepped(model: PretrainModel, steps: list[list[MaskedBatch]]) -> dict[str, Tensor]:
    """Weights after a step with each list of micro-batches, and the sum of the steps' scores."""
    optimiser = make_optimiser(model, RATE, 0.01)
    scores = [train_step(model, optimiser, batches, RATE, clip_norm=1.0) for batches in steps]
    return model.state_dict() | {"score_3": torch.stack(scores).sum(0)}


def looped(store: ShardStore, rank: int, **fields: object) -> tuple[dict[str, Tensor], list[list[int]]]:
    """Weights after three steps of the loop, and the messages of each."""
    data, model = toy(store, **fields)
    sent = [len(messages)]
    start, optimiser = Progress(EarlyStopping(3)), make_optimiser(model, RATE, 0.01)
    list(pretrain(model, optimiser, data, start, Rank(rank, 2), lambda *_: sent.append(len(messages))))
    return model.state_dict(), [messages[a:b] for a, b in pairwise(sent)]


def summed_by_hand(rank: int) -> dict[str, object]:
    """Gradients of four parameters, one of them unused, after an earlier backward pass on each worker."""
    sizes = {"first": 3, "unused": 2, "large": 200, "last": 1}
    parameters = {name: nn.Parameter(torch.ones(size)) for name, size in sizes.items()}
    score_3 = torch.tensor([0.5, 1.0, 2.0 + rank], dtype=torch.float64)

    def backward(times: float) -> None:
        sum(parameters[name].sum() * times for name in ("first", "large", "last")).backward()

    backward(1.0)
    before = len(messages)
    with ranks.gradients_summed(list(parameters.values()), score_3):
        backward(10.0 * (rank + 1))
    gradients = {name: None if p.grad is None else p.grad.tolist() for name, p in parameters.items()}
    backward(0.5)  # nobody listens any more
    return {"score_3": score_3.tolist(), "gradients": gradients, "messages": messages[before:]}


def main(rank: int, folder: Path) -> None:
    store = ShardStore.open(folder / "shards")
    data, model = toy(store)
    of_both = [list(islice(data.training(0, 0, r, 2), 3)) for r in range(2)]
    alone = stepped(model, [list(pair) for pair in zip(*of_both, strict=True)])
    save_file(alone, folder / f"alone-{rank}.safetensors")

    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    send = dist.all_reduce
    dist.all_reduce = lambda tensor, **how: (messages.append(tensor.numel()), send(tensor, **how))[1]
    ranks.BUCKET_BYTES = 512  # less than `large` alone
    told = {"by_hand": summed_by_hand(rank)}
    ranks.BUCKET_BYTES = 1024

    data, model = toy(store)
    sent_before: list[int] = []
    embedding = model.encoder.bin_embedding.weight  # among the last whose gradients are made
    embedding.register_hook(lambda _: sent_before.append(len(messages)))
    begun = len(messages)
    save_file(stepped(model, [[batch] for batch in of_both[rank]]), folder / f"stepped-{rank}.safetensors")
    told["sent_before_the_embedding"] = sent_before[0] - begun

    _, told["plain"] = looped(store, rank)
    state, told["accumulated"] = looped(store, rank, accumulate=2, redraw_steps=1)
    save_file(state, folder / f"looped-{rank}.safetensors")
    told["parameters"] = sum(p.numel() for p in model.parameters())
    (folder / f"told-{rank}.json").write_text(json.dumps(told))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
