"""Do members of a gene set have vectors that lie closer to each other than to random genes?

Shapes: g genes, d dimensions, m members, s sets.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

MIN_MEMBERS = 5
"""Smaller sets say too little each."""
MOST_MEMBERS = 500
"""Of larger sets so many are drawn: pairs grow with the square."""
DRAWS = 5
"""Random genes that stand against each member."""


def score_sets(
    vectors: Mapping[str, np.ndarray],
    known_g: np.ndarray,
    mean_g: np.ndarray,
    genes: Sequence[str],
    sets: Mapping[str, Mapping[str, float]],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """For every set of MIN_MEMBERS `known_g` genes or more a row: set, genes, an AUROC for each of `vectors`.

    The AUROC is how often two members have a higher cosine than a member and a random gene: 0.5 where the
    vectors (g×d) know nothing of the set. `sets` give each gene's sign: one that falls when another rises
    should not lie close to it, so only pairs of one sign count. A random gene stands for a member of its
    own tenth of mean expression `mean_g`, because genes of one level co-express whatever they do. All of
    `vectors` meet the same genes.
    """
    unit = {name: _unit(vectors_gd) for name, vectors_gd in vectors.items()}
    tenth_g = tenths(mean_g, known_g)
    place = {gene: g for g, gene in enumerate(genes) if known_g[g]}
    rows = []
    for name, named in sets.items():
        members = np.array(sorted(place[gene] for gene in named if gene in place), dtype=np.int64)
        if len(members) < MIN_MEMBERS:
            continue
        is_random_g = known_g.copy()
        is_random_g[members] = False
        if not is_random_g.any():
            continue
        n_members = len(members)
        if n_members > MOST_MEMBERS:
            members = np.sort(rng.choice(members, MOST_MEMBERS, replace=False))
        random_mk = _matched(members, tenth_g, is_random_g, rng)
        sign_m = np.sign([named[genes[g]] for g in members])
        scores = {which: set_auroc(unit_gd, members, sign_m, random_mk) for which, unit_gd in unit.items()}
        rows.append({"set": name, "genes": n_members, **scores})
    return pd.DataFrame(rows, columns=["set", "genes", *vectors])


def tenths(mean_g: np.ndarray, known_g: np.ndarray) -> np.ndarray:
    """The tenth (0 to 9) of the known genes' mean expression that each gene lies in."""
    edges = np.quantile(mean_g[known_g], np.arange(1, 10) / 10) if known_g.any() else np.zeros(9)
    return np.searchsorted(edges, mean_g, side="right")


def set_auroc(unit_gd: np.ndarray, members: np.ndarray, sign_m: np.ndarray, random_mk: np.ndarray) -> float:
    """How often the cosine of members a, b of one sign exceeds that of a and a gene for b; ties half."""
    others = np.equal.outer(sign_m, sign_m) & ~np.eye(len(members), dtype=bool)
    inside = (unit_gd[members] @ unit_gd[members].T)[others]
    outside_mmk = (unit_gd[members] @ unit_gd[random_mk.ravel()].T).reshape(len(members), *random_mk.shape)
    outside = np.sort(outside_mmk[others].ravel())
    below = np.searchsorted(outside, inside, "left") + np.searchsorted(outside, inside, "right")
    return float(below.mean() / 2 / len(outside))


def mean_interval(
    values_s: np.ndarray, rng: np.random.Generator, n_draws: int = 2000
) -> tuple[float, float, float]:
    """Mean over sets and its 95 % bootstrap interval; sets that share genes make it somewhat too narrow."""
    if not len(values_s):
        return float("nan"), float("nan"), float("nan")
    drawn = [values_s[rng.integers(len(values_s), size=len(values_s))].mean() for _ in range(n_draws)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(values_s.mean()), float(low), float(high)


def _matched(
    members: np.ndarray, tenth_g: np.ndarray, is_random_g: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """For each member DRAWS genes of its tenth outside the set; of any tenth where it has no other."""
    random_mk = np.empty((len(members), DRAWS), np.int64)
    for tenth in np.unique(tenth_g[members]):
        of_tenth = tenth_g[members] == tenth
        pool = np.flatnonzero(is_random_g & (tenth_g == tenth))
        pool = pool if len(pool) else np.flatnonzero(is_random_g)
        random_mk[of_tenth] = rng.choice(pool, (int(of_tenth.sum()), DRAWS))
    return random_mk


def _unit(vectors_gd: np.ndarray) -> np.ndarray:
    return vectors_gd / np.maximum(np.linalg.norm(vectors_gd, axis=1, keepdims=True), 1e-30)
