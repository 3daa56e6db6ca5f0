"""Phase I."""

from jobs.adopt import adopt_checkpoint
from jobs.phase import Figures, Progress
from rnalearner.config import RunConfig
from rnalearner.layout import RunLayout


def pretrain(config: RunConfig, layout: RunLayout, progress: Progress) -> Figures:
    """Masked-bin pretraining on the corpus, by Ray Train; studies are held out for validation."""
    if config.model.path is not None:
        return adopt_checkpoint(config, layout)
    import json

    from cluster.local import ray_session
    from cluster.pretraining import run_pretraining
    from rnalearner.finetune.readout import store_readout
    from rnalearner.model.gene2vec import GeneVectors
    from rnalearner.pretrain.split import split_studies
    from rnalearner.shards.corpus import corpus_rows
    from rnalearner.shards.read import ShardStore

    store = ShardStore.open(layout.shards)
    vectors = GeneVectors.load(layout.gene_vectors, store.gene_set, config.model.dim)
    rows = corpus_rows(store.obs, config.tasks).rows
    train, valid = split_studies(store.obs, rows, config.pretrain.validation_share, config.pretrain.seed)
    started = json.loads((layout.phase("pretrain") / "started.json").read_text())
    with ray_session(config.ray):
        result = run_pretraining(
            layout,
            config,
            train,
            valid,
            vectors.vectors_gd,
            started["fingerprint"],
            lambda step, total, figures: progress(
                "pretrain", step, total, f"masked loss {figures['train_loss']:.3f}", figures
            ),
        )
    store_readout(layout, config, store, rows)
    return result.figures | {"train_samples": len(train), "validation_samples": len(valid)}
