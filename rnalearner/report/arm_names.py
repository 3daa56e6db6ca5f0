"""What pages call an arm."""

_NAMES = {
    "lr_l2": "LR-L2",
    "lr_l1": "LR-L1",
    "lr_l1_c10": "LR-L1 (C = 10)",
    "t_signature_100": "t-signature-100",
    "knn_3": "kNN-3",
    "pca10": "PCA-10, LR-L2",
    "clock_only": "clock genes only",
    "clock_free": "no clock genes",
    "tabpfn": "TabPFN",
    "bagged_l1": "bagged LR-L1",
}


def readable(arm: str) -> str:
    """An arm's name for people."""
    return _NAMES.get(arm, arm.replace("_", " "))


def rival_name(name: str) -> str:
    """Of a rival as the summary names it, such as lr_l1_c10_centred."""
    plain = name.removesuffix("_centred")
    return readable(plain) if plain == name else f"{readable(plain)}, centred"
