"""Short names of the options that are typed most: apart, so that help needs no recipe."""

ALIASES = {
    "root": "data.root",
    "corpus": "data.corpus",
    "organism": "data.organism",
    "projects": "data.projects",
    "genes": "data.genes",
    "panel": "data.panel",
    "steps": "pretrain.max_steps",
    "workers": "pretrain.num_workers",
    "scouts": "scouting.n_scouts",
    "arms": "finetune.arms",
    "epochs": "finetune.epochs",
    "seeds": "finetune.seeds",
    "lr": "finetune.learning_rate",
    "run": "predict.run",
    "table": "predict.table",
    "address": "ray.address",
}
