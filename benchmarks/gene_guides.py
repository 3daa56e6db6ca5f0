"""Which scouts make a gene guide that helps? Every strategy before the same few-shot learner.

    python benchmarks/gene_guides.py --compendium ../shared/data/compendium --without mir150,microglia_c \
        --strategies within_study,within_study:measure=absolute,cluster_pairs

Each task's guide is learnt from the studies that share no family and no subject with it; no label of a
task in --without is read. Before LR-L1 (C = 10, centred) each gene is multiplied by its guide to the
power tau, of mean 1 over the task's genes; --spread adds arms `/s` that are also divided by the residual
spread plus its median. `x4`: no guide, all genes times four, which is a weaker penalty: what a guide is
worth shows only beside it. Printed: means over families (one vote each), differences to no guide with a
bootstrap over families, and last one JSON object.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.draws import KS, draws
from rnalearner.benchmark.families import related_studies, with_families
from rnalearner.benchmark.results import result_row, results_table
from rnalearner.benchmark.statistics import difference, draw_scores, macro
from rnalearner.benchmark.tasks import LoadedTask, load_task, read_tasks
from rnalearner.clustering.assign import assign_sample_clusters
from rnalearner.clustering.embed import principal_components
from rnalearner.config import GenesConfig
from rnalearner.counts.gene_table import read_gene_table
from rnalearner.guide.gene_guide import GeneGuide
from rnalearner.guide.learn_genes import learn_gene_guide
from rnalearner.linear.expression import centred
from rnalearner.linear.models import lasso_logistic
from rnalearner.preprocessing.normalize import log2p1_cpm
from rnalearner.scouts.samples import GeneSets, ScoutedSamples
from rnalearner.scouts.sets import read_sets
from rnalearner.scouts.strategies import STRATEGIES

N_CLUSTERS = 10
NONE, SHUFFLED = "none", "shuffled"


class Corpus:
    """All samples of a compendium in memory, and the part of them that one family's guide may see."""

    def __init__(self, compendium: Compendium, mute: set[str], sets: GeneSets | None) -> None:
        """`mute`: studies whose labels nobody may read."""
        self.compendium, self.sets = compendium, sets
        counts = [compendium.counts(study) for study in compendium.studies]
        values = [log2p1_cpm(c.counts_nh, c.total_n) for c in counts]
        expressed = [(np.exp2(v.astype(float)) - 1).mean(0) > 1 for v in values]
        chosen = {g for c, e in zip(counts, expressed, strict=True) for g in np.array(c.genes)[e].tolist()}
        self.genes = tuple(sorted(chosen))
        table = compendium.samples.set_index(["study", "sample"])
        sheet = pd.concat([table.loc[[(c.study, sample) for sample in c.samples]] for c in counts])
        self.studies_n = sheet.index.get_level_values(0).to_numpy().astype(str)
        self.tissues_n, labels_n = (
            sheet[name].fillna("").to_numpy().astype(str) for name in ("tissue", "label")
        )
        self.labels_n = np.where(np.isin(self.studies_n, sorted(mute)), "", labels_n)
        self.values_ng = np.concatenate(
            [
                pd.DataFrame(v, columns=c.genes).reindex(columns=self.genes).to_numpy()
                for c, v in zip(counts, values, strict=True)
            ]
        )

    def without(self, studies: tuple[str, ...]) -> ScoutedSamples:
        rows_n = np.flatnonzero(~np.isin(self.studies_n, studies))
        rng = np.random.default_rng(0)
        scores_nk, _ = principal_components(self.values_ng[rows_n], 40, rng)
        clusters_n = assign_sample_clusters(scores_nk, [N_CLUSTERS], rng)[N_CLUSTERS]
        told = (column[rows_n] for column in (self.studies_n, self.tissues_n, self.labels_n))
        return ScoutedSamples(
            rows_n, *told, clusters_n, self.genes, lambda rows: self.values_ng[rows], self.sets
        )


def scales(
    guide: GeneGuide, genes: tuple[str, ...], taus: list[float], spread: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """What multiplies each gene, by name of the arm; one that the guide does not know is an average one."""
    known = guide.reindexed(genes)
    for tau in taus:
        arms = {f"^{tau:g}": known.guide_g**tau}
        if spread:
            arms[f"^{tau:g}/s"] = known.guide_g**tau / (known.residual_g + np.nanmedian(known.residual_g))
        for name, scale_g in arms.items():
            yield name, np.nan_to_num(scale_g / np.nanmean(scale_g), nan=1.0)


def score(
    loaded: LoadedTask, arms: dict[str, np.ndarray], ks: list[int], n_draws: int
) -> Iterator[dict[str, Any]]:
    """Rows of results: every arm on every draw."""
    train, test = loaded.train, loaded.test
    train_ng, test_ng = centred(train.x_ng, train.x_ng), centred(test.x_ng, test.x_ng)
    for k in ks:
        for draw in draws(loaded, k, n_draws):
            y_n, y_m = train.y_n[draw.train_rows], test.y_n[draw.test_rows]
            for arm, scale_g in arms.items():
                fit_ng, asked_mg = train_ng[draw.train_rows] * scale_g, test_ng[draw.test_rows] * scale_g
                found = lasso_logistic(fit_ng, y_n, asked_mg, c=10.0)
                yield result_row(loaded, k, draw.number, 0, arm, True, y_m, *found)


def learnt(samples: ScoutedSamples, strategies: list[str]) -> dict[str, GeneGuide]:
    """A guide a strategy; `shuffled` is that of within_study with its genes exchanged."""
    found = {}
    for strategy in strategies:
        name, *options = strategy.split(":")
        told = dict(option.split("=") for option in options)
        given = {"strategy": "within_study" if name == SHUFFLED else name, "sets": "sets.csv"}
        made = GenesConfig.model_validate(given | told)
        guide = learn_gene_guide(samples, made)
        if name == SHUFFLED:
            order = np.random.default_rng(0).permutation(len(guide.genes))
            guide = replace(guide, guide_g=guide.guide_g[order], residual_g=guide.residual_g[order])
        found[strategy] = guide
    return found


def report(results: pd.DataFrame, ks: list[int], seconds: int) -> None:
    """A line an arm: mean AUROC, then the difference to no guide with its interval, for each k."""
    told: dict[str, dict[int, dict[str, float]]] = {}
    for k in ks:
        scores = draw_scores(results, k)
        for arm in dict.fromkeys(results["arm"]):
            mean, gain = macro(scores, (arm, True)), difference(scores, (arm, True), (NONE, True))
            cell = {"auroc": mean.mean, "gain": gain.mean, "low": gain.low, "high": gain.high}
            told.setdefault(arm, {})[k] = {name: round(value, 4) for name, value in cell.items()}
    for arm, cells in told.items():
        shown = ("{auroc:.3f} {gain:+.3f} [{low:+.3f}, {high:+.3f}]".format(**c) for c in cells.values())
        print(f"{arm:36s} | " + " | ".join(shown))
    print(json.dumps({"seconds": seconds, "families": results["family"].nunique(), "arms": told}))


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--compendium", type=Path, required=True, help="also the folder of tasks.csv")
    parser.add_argument("--symbols", type=Path, help="columns ensembl, symbol: for the table of sets")
    parser.add_argument("--sets", type=Path, help="table of gene sets; without it that strategy is left out")
    parser.add_argument("--without", default="", help="tasks that nobody looks at, nor at their labels")
    parser.add_argument("--strategies", default=",".join([*STRATEGIES, SHUFFLED]))
    parser.add_argument("--tau", default=".25,.5,1")
    parser.add_argument("--k", default=",".join(map(str, KS)))
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--spread", action="store_true", help="arms that divide by the residual spread too")
    parser.add_argument("--results", type=Path, help="write every score here")
    asked = parser.parse_args()
    begun = time.monotonic()

    compendium = Compendium([asked.compendium])
    tasks = with_families(read_tasks(asked.compendium / "tasks.csv"), compendium)
    related = related_studies(tasks, compendium)
    aside = set(filter(None, asked.without.split(",")))
    mute = {study for task in tasks if task.name in aside for study in task.studies}
    symbols = read_gene_table(asked.symbols) if asked.symbols else None
    sets = read_sets(asked.sets, symbols) if asked.sets else None
    corpus = Corpus(compendium, mute, sets)
    strategies = [s for s in asked.strategies.split(",") if s != "gene_sets" or sets is not None]
    taus, ks = [float(tau) for tau in asked.tau.split(",")], [int(k) for k in asked.k.split(",")]

    rows: list[dict[str, Any]] = []
    guides: dict[tuple[str, ...], dict[str, GeneGuide]] = {}
    for task in tasks:
        if task.name in aside:
            continue
        if (left_out := related[task.name]) not in guides:
            guides[left_out] = learnt(corpus.without(left_out), strategies)
        loaded = load_task(compendium, task)
        arms = {NONE: np.ones(len(loaded.genes)), f"{NONE} x4": np.full(len(loaded.genes), 4.0)}
        for strategy, guide in guides[left_out].items():
            scaled = scales(guide, loaded.genes, taus, asked.spread)
            arms |= {f"{strategy}{name}": scale_g for name, scale_g in scaled}
        rows += score(loaded, arms, ks, asked.draws)
        print(f"{task.name}: {time.monotonic() - begun:.0f} s", flush=True)
    results = results_table(rows)
    if asked.results is not None:
        results.to_csv(asked.results, index=False)
    report(results, ks, round(time.monotonic() - begun))


if __name__ == "__main__":
    main()
