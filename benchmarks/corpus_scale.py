"""What a corpus costs by its size: written, ingested, explored by the command line; memory of all processes.

    python -m benchmarks.corpus_scale --samples 205297 --mirror /data/large --sizes 10000,50000,205297

A mirror in recount3's layout is written, or used where it lies; a smaller size is the first projects of it.
Memory is the proportional set size summed over the process tree, read twice a second. `--interrupt` kills
the largest ingestion (SIGKILL) with half of its shards written, and starts it again: its seconds are of both.
By step, and inside of `ingest` and `explore` by what they say of themselves. seconds = a + b * samples is
fitted to three sizes or more. Figures so far: OUT/figures.json. Last line: one JSON object.
"""

import argparse
import json
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.measured_child import Cost, cost_of, must, rounded
from benchmarks.mirror_part import first_projects, write_recipe
from rnalearner.publish import write_json

STEPS = ("ingest", "explore")


def events(run: Path) -> list[dict[str, Any]]:
    """Of all attempts, in order; the last line of a killed one may be cut."""
    said = []
    for path in sorted(run.glob("attempts/*/events.jsonl"), key=lambda path: int(path.parent.name)):
        whole = path.read_text().rpartition("\n")[0]
        said += [json.loads(line) for line in whole.splitlines()]
    return said


def part_of(event: dict[str, Any]) -> str | None:
    """Which part of a step begins, or goes on, with this event; None where it says nothing of that."""
    data = event["data"]
    if event["kind"] == "phase":
        return f"{data['name']}: start" if data["state"] == "running" else "end"
    if event["kind"] == "progress" and data["label"] == "studies" and data["note"] != "done":
        return "ingest: genes" if data["note"].startswith("genes of ") else "ingest: shards"
    if event["kind"] == "progress" and data["label"] == "explore" and data["done"] < data["total"]:
        return f"explore: {data['note']}"
    return None


def seconds_of_parts(said: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Each part lasts until another begins; parts of less than half a second may go with the one before."""
    parts = [(event["at"], part) for event in said if (part := part_of(event)) is not None]
    seconds: dict[str, float] = defaultdict(float)
    for (begun, part), (ended, _) in pairwise(parts):
        if part != "end":
            seconds[part] += ended - begun
    return dict(seconds)


def half_written(run: Path) -> bool:
    for event in reversed(events(run)):
        if part_of(event) == "ingest: shards":
            return bool(event["data"]["done"] >= event["data"]["total"] / 2)
    return False


def rows_written_before(run: Path, at: float) -> int:
    shards = (run / "ingest" / "shards").glob("shard-*.parquet")
    return sum(pq.read_metadata(path).num_rows for path in shards if path.stat().st_mtime < at)


def measured(
    mirror: Path, size: int, run: Path, interrupt: bool, wide: bool, rows_per_shard: int
) -> dict[str, Any]:
    """One size from the mirror to sample clusters, in a new run folder."""
    shutil.rmtree(run, ignore_errors=True)
    chosen = first_projects(mirror, size)
    recipe, log = run.with_suffix(".toml"), run.with_suffix(".log")
    log.unlink(missing_ok=True)
    write_recipe(recipe, mirror, chosen, wide, shards={"rows_per_shard": rows_per_shard})
    n = sum(chosen.values())
    ingest = ["-m", "jobs.cli", "ingest", recipe, "--out", run]
    costs: dict[str, list[Cost]] = {"ingest": [], "explore": []}
    found: dict[str, Any] = {"samples": n, "projects": len(chosen)}
    if interrupt:
        costs["ingest"].append(cost_of(ingest, log, stop=lambda: half_written(run)))
        killed = time.time()
        if costs["ingest"][0].returncode >= 0:
            sys.exit(f"{size} samples were ingested before half of their shards could be seen: take more")
    costs["ingest"].append(must(cost_of(ingest, log), log))
    if interrupt:
        found["not_done_again"] = rows_written_before(run, killed)
        found["killed_after_s"] = costs["ingest"][0].seconds
        found["resumed_s"] = costs["ingest"][1].seconds
    costs["explore"].append(must(cost_of(["-m", "jobs.cli", "explore", "--out", run], log), log))
    seconds = {step: sum(cost.seconds for cost in costs[step]) for step in STEPS}
    parts = seconds_of_parts(events(run))
    bulk = json.loads((run / "explore" / "phase.json").read_text())["figures"]["bulk_samples"]
    found |= {
        "bulk_samples": bulk,
        "peak_gib": {step: max(cost.peak_gib for cost in costs[step]) for step in STEPS},
        "seconds": {**seconds, "all": sum(seconds.values()), **parts},
        "shards_gb": sum(path.stat().st_size for path in run.rglob("*.parquet")) / 1e9,
    }
    found["samples_per_s"] = {step: n / took for step, took in found["seconds"].items() if took}
    return found


def written(mirror: Path, n: int, log: Path) -> dict[str, Any] | None:
    """What writing the mirror cost; None where it lies there."""
    if mirror.exists():
        return None
    arguments = ["-m", "benchmarks.large_mirror", "--samples", str(n), "--folder", mirror.resolve()]
    cost = must(cost_of(arguments, log), log)
    figures = json.loads(log.read_text().splitlines()[-1])
    return {"seconds": cost.seconds, "peak_gib": cost.peak_gib, **figures, "samples": n}


def line_through(samples: Sequence[int], seconds: Sequence[float]) -> dict[str, float]:
    """seconds = a + b * samples, and how much of their variance that explains."""
    b, a = np.polyfit(samples, seconds, 1)
    residual = np.asarray(seconds) - (a + b * np.asarray(samples))
    spread = np.asarray(seconds) - np.mean(seconds)
    return {"a_s": a, "b_ms": 1000 * b, "r2": 1 - float(residual @ residual) / float(spread @ spread)}


def table(sizes: Sequence[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for size in sizes for name in size["seconds"]))
    lines = [f"{'samples':28s}" + "".join(f"{size['samples']:>22,}" for size in sizes)]
    for name in names:
        cells = []
        for size in sizes:
            peak, took = size["peak_gib"].get(name), size["seconds"].get(name, 0.0)
            cells.append(f"{took:,.0f} s" + (f", {peak:.2f} GiB" if peak is not None else ""))
        lines.append(f"{name:28s}" + "".join(f"{cell:>22s}" for cell in cells))
    return lines


def main() -> None:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=plain)
    parser.add_argument(
        "--samples", type=int, default=205_297, help="of the mirror, where it must be written"
    )
    parser.add_argument("--mirror", type=Path, required=True)
    parser.add_argument("--sizes", help="samples, by commas; by default --samples alone")
    parser.add_argument("--out", type=Path, help="folder of the runs; by default beside the mirror")
    parser.add_argument("--interrupt", action="store_true", help="kill the largest ingestion halfway")
    parser.add_argument("--wide", action="store_true", help="data.wide = true: genes beside the panel too")
    parser.add_argument("--rows-per-shard", type=int, default=4096)
    asked = parser.parse_args()
    out = asked.out or asked.mirror.with_name(f"{asked.mirror.name}-scale")
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    sizes = sorted({int(size) for size in (asked.sizes or str(asked.samples)).split(",")})
    write = written(asked.mirror, max(asked.samples, *sizes), out / "write.log")
    found: list[dict[str, Any]] = []
    for size in sizes:
        interrupt = asked.interrupt and size == sizes[-1]
        run = out / f"samples-{size}"
        found.append(measured(asked.mirror, size, run, interrupt, asked.wide, asked.rows_per_shard))
        write_json(out / "figures.json", rounded({"write": write, "sizes": found}))
        print(json.dumps(rounded(found[-1])), file=sys.stderr)
    last, samples = found[-1], [size["samples"] for size in found]
    told: dict[str, Any] = {
        "samples": last["samples"],
        "peak_gib": max(last["peak_gib"].values()),
        "samples_per_s": dict(last["samples_per_s"]),
        "seconds": dict(last["seconds"]),
        "sizes": found,
    }
    if write is not None:
        told["write"] = write
        told["samples_per_s"]["write"] = write["samples"] / write["seconds"]
    if len(found) > 2:
        told["line"] = {
            name: line_through(samples, [size["seconds"][name] for size in found]) for name in (*STEPS, "all")
        }
    told |= {name: last[name] for name in ("not_done_again", "killed_after_s", "resumed_s") if name in last}
    print("\n".join(table(found)))
    for name, line in told.get("line", {}).items():
        print(f"{name}: {line['a_s']:.0f} s + {line['b_ms']:.2f} ms a sample, R2 {line['r2']:.4f}")
    print(json.dumps(rounded(told)))


if __name__ == "__main__":
    main()
