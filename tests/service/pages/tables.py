"""A table of twelve simulated mice with a known answer: two groups, two lanes that are no lanes' fault."""

import numpy as np

N, GENES = 12, 400
NAMES = [f"M{number + 1}_L{1 + number // 6}" for number in range(N)]
GROUPS = ["flight" if number % 2 else "ground" for number in range(N)]


def _counts(n_genes: int) -> np.ndarray:
    """Genes x samples: forty genes tell the groups apart, a quarter of all the lanes."""
    rng = np.random.default_rng(9)
    mean_gn = rng.lognormal(4, 1.5, n_genes)[:, None] * rng.lognormal(0, 0.2, N)
    flight_n = np.array([group == "flight" for group in GROUPS])
    mean_gn[:40, flight_n] *= 3
    mean_gn[40 : 40 + n_genes // 4, N // 2 :] *= 2
    return rng.poisson(mean_gn)


def table(n_genes: int = GENES) -> bytes:
    rows = (
        f"ENSMUSG{gene:011d},{','.join(map(str, row))}" for gene, row in enumerate(_counts(n_genes), start=1)
    )
    return "\n".join([",".join(["gene", *NAMES]), *rows, ""]).encode()


TABLE = table()


def sheet(names: list[str] = NAMES, groups: list[str] = GROUPS) -> bytes:
    rows = (f"{name},{group},m{place}" for place, (name, group) in enumerate(zip(names, groups, strict=True)))
    return "\n".join(["sample,group,subject", *rows, ""]).encode()
