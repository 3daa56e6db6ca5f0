"""The same gene files to the same 30 sample clusters: scanpy in memory, and `ingest` + `explore`.

    pip install -e ".[benchmarks]" -c constraints.txt
    python -m benchmarks.against_scanpy --samples 20000 --mirror /data/large

Each in processes of its own, one after the other, wall time and peak memory (proportional set size summed
over the process tree, read twice a second) from starting Python to labels on disk. All files are read once
before, so that neither waits for the disk. scanpy as its users would: each project by pandas with the pyarrow
engine, coverage / mapped length, bulk runs only, float32, concatenated; filter_genes(min_cells=3),
normalize_total(1e6), log1p, pca(40); scikit-learn's KMeans(30, n_init=10). Ours by the command line, on
the genes of its own panel; it writes shards, figures and the choice of K besides. Where scanpy takes more
than --limit-gib it is killed, and half as many samples are run besides, until it fits. Last line: one JSON
object; what is killed has no labels, and its ratios are of what it had taken by then.
"""

import argparse
import gc
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from benchmarks.measured_child import GIB, cost_of, must, rounded
from benchmarks.mirror_part import first_projects, true_tissues, write_recipe
from rnalearner.counts.recount3 import gene_file, metadata_file

K, N_COMPONENTS = 30, 40
LEAST = 300
"""Samples: with fewer there is nothing to compare."""
INSTALL = 'scanpy is not installed: pip install -e ".[benchmarks]" -c constraints.txt'


def label_by_scanpy(mirror: Path, projects: list[str], labels: Path) -> None:
    """What a user of scanpy would write, and no more."""
    import anndata as ad
    import scanpy as sc

    def metadata(project: str, table: str) -> pd.DataFrame:
        path = metadata_file(mirror, project, table)
        return pd.read_csv(path, sep="\t").set_index("external_id")

    parts = []
    for project in projects:
        kinds = metadata(project, "recount_pred")["pattern.predict.type"]
        bulk = kinds.index[kinds == "rna-seq"]
        if not len(bulk):
            continue
        lengths = metadata(project, "recount_qc")["star.average_mapped_length"]
        path = gene_file(mirror, project)
        coverage_gn = pd.read_csv(path, sep="\t", header=2, index_col="gene_id", engine="pyarrow")[bulk]
        counts_ng = (coverage_gn.to_numpy(np.float32) / lengths[bulk].to_numpy(np.float32)).T
        parts.append(
            ad.AnnData(
                np.ascontiguousarray(counts_ng),
                obs=pd.DataFrame({"study": project}, index=bulk),
                var=pd.DataFrame(index=coverage_gn.index),
            )
        )
    adata = ad.concat(parts)
    del parts
    gc.collect()
    sc.pp.filter_genes(adata, min_cells=3)
    sc.pp.normalize_total(adata, target_sum=1e6)
    sc.pp.log1p(adata)
    sc.pp.pca(adata, n_comps=N_COMPONENTS)
    found = KMeans(K, n_init=10, random_state=0).fit_predict(adata.obsm["X_pca"])
    table = pd.DataFrame({"sample": adata.obs_names, "study": adata.obs["study"].to_numpy(), "label": found})
    table.to_csv(labels, index=False)
    np.save(labels.with_suffix(".npy"), adata.obsm["X_pca"])
    print(f"{adata.n_obs} samples x {adata.n_vars} genes")


def side_by_side(mirror: Path, size: int, out: Path, limit_gib: float) -> dict[str, Any]:
    """Both at one size; without labels to compare where scanpy died."""
    chosen = first_projects(mirror, size)
    for project in chosen:
        gene_file(mirror, project).read_bytes()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    run, recipe, labels = out / "run", out / "recipe.toml", out / "scanpy.csv"
    only_k = {"k": K, "k_list": [K], "n_components": N_COMPONENTS}
    write_recipe(recipe, mirror, chosen, clustering=only_k, figures={"umap": False})
    (out / "projects.json").write_text(json.dumps(list(chosen)))
    ours_log, log = out / "ours.log", out / "scanpy.log"
    ours = [
        must(cost_of(["-m", "jobs.cli", *verb, "--out", run], ours_log), ours_log)
        for verb in (["ingest", recipe], ["explore"])
    ]
    child = ["-m", "benchmarks.against_scanpy", "--mirror", mirror, "--child", out]
    theirs = cost_of(child, log, limit_gib=limit_gib)
    seconds = sum(cost.seconds for cost in ours)
    peak = max(cost.peak_gib for cost in ours)
    found = {
        "samples": sum(chosen.values()),
        "seconds": {"ours": seconds, "scanpy": theirs.seconds},
        "ours_by_step": {"ingest": ours[0].seconds, "explore": ours[1].seconds},
        "peak_gib": {"ours": peak, "scanpy": theirs.peak_gib},
        "seconds_ratio": seconds / theirs.seconds,
        "memory_ratio": peak / theirs.peak_gib,
        "scanpy_died": theirs.returncode != 0,
    }
    if theirs.returncode > 0 and "MemoryError" not in log.read_text():
        must(theirs, log)
    if theirs.returncode:
        return found
    both = pd.read_csv(run / "explore" / "sample_clusters.csv").merge(pd.read_csv(labels), on="sample")
    # How far k-means agrees with itself from other random centres: more cannot be asked of two programs.
    again = KMeans(K, n_init=10, random_state=1).fit_predict(np.load(labels.with_suffix(".npy")))
    found |= {
        "bulk_samples": len(both),
        "adjusted_rand": adjusted_rand_score(both[f"k{K}"], both["label"]),
        "adjusted_rand_of_scanpy_reseeded": adjusted_rand_score(pd.read_csv(labels)["label"], again),
    }
    if (mirror / "answer.json").exists():
        tissues = both["study_x"].map(true_tissues(mirror))
        found["rand_with_tissues"] = {
            "ours": adjusted_rand_score(tissues, both[f"k{K}"]),
            "scanpy": adjusted_rand_score(tissues, both["label"]),
        }
    return found


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="folder of runs and labels; by default beside the mirror")
    free = psutil.virtual_memory().available / GIB - 1
    parser.add_argument("--limit-gib", type=float, default=free, help="of scanpy; by default what is free")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    mirror = asked.mirror.resolve()
    if asked.child is not None:
        projects = json.loads((asked.child / "projects.json").read_text())
        label_by_scanpy(mirror, projects, asked.child / "scanpy.csv")
        return
    if importlib.util.find_spec("scanpy") is None:
        sys.exit(INSTALL)
    out = (asked.out or mirror.with_name(f"{mirror.name}-scanpy")).resolve()
    size = asked.samples
    told = rounded(side_by_side(mirror, size, out / f"samples-{size}", asked.limit_gib))
    fits = told
    while fits["scanpy_died"] and size >= 2 * LEAST:
        size //= 2
        fits = rounded(side_by_side(mirror, size, out / f"samples-{size}", asked.limit_gib))
        told["half_as_many_until_it_fits"] = fits
    for name in ("seconds", "peak_gib"):
        print(f"{name:10s} ours {fits[name]['ours']:9.2f}   scanpy {fits[name]['scanpy']:9.2f}")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
