"""From dropping a table to its first picture, as somebody before the page waits.

    python -m benchmarks.first_picture [--genes 55000] [--samples 12] [--repeats 5]

A gateway in this process on a fake cluster, jail and all; Debian's Chromium without a window. Each repeat
gives another table, with its sheet. The clock begins as the files are sent, and stops when the browser has
painted the first chart. `read_s` is what the API alone takes for the same table (datasets:validate).

Printed last, one JSON object: seconds, median and worst.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from service.settings import Settings
from tests.service.fake_cluster import FakeCluster
from tests.service.harness import running
from tests.service.pages.browser import Tab, chromium, tab


def table(n_genes: int, n_samples: int, seed: int) -> tuple[bytes, bytes]:
    """Counts of two groups, genes down, and their sheet."""
    rng = np.random.default_rng(seed)
    mean_gn = rng.lognormal(1, 2.2, n_genes)[:, None] * rng.lognormal(0, 0.2, n_samples)
    mean_gn[:500, ::2] *= 3
    counts_gn = rng.poisson(mean_gn)
    names = [f"S{number}" for number in range(n_samples)]
    rows = (f"ENSMUSG{gene:011d},{','.join(map(str, row))}" for gene, row in enumerate(counts_gn, start=1))
    groups = (f"{name},{'ab'[number % 2]}" for number, name in enumerate(names))
    return (
        "\n".join([",".join(["gene", *names]), *rows, ""]).encode(),
        "\n".join(["sample,group", *groups, ""]).encode(),
    )


def seconds_to_picture(opened: Tab, counts: bytes, sheet: bytes) -> float:
    """Sent, read, drawn."""
    page = opened.page
    opened.go("/")
    files = [("file", "counts.csv", counts), ("labels", "labels.csv", sheet)]
    for name, file, body in files:
        page.set_input_files(f"#{name}", {"name": file, "mimeType": "text/csv", "buffer": body})
    begun = time.perf_counter()
    page.get_by_role("button", name="Read it").click()
    page.wait_for_selector("#look-1 canvas")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--genes", type=int, default=55_000)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    read_s, picture_s, n_bytes = [], [], 0
    with tempfile.TemporaryDirectory(prefix="picture-") as folder:
        settings = Settings(data=Path(folder) / "data", min_free_mb=0)
        with (
            running(settings, FakeCluster(Path(folder) / "cluster")) as gateway,
            chromium() as browser,
            tab(browser, str(gateway.http.base_url), gateway.lab.key) as opened,
        ):
            for seed in track(range(options.repeats), console=Console(stderr=True)):
                counts, sheet = table(options.genes, options.samples, seed)
                n_bytes = len(counts)
                begun = time.perf_counter()
                parts = {"file": counts, "labels": sheet}
                answer = gateway.lab.post("/v1/datasets:validate", files=parts, timeout=120)
                read_s.append(time.perf_counter() - begun)
                assert answer.status_code == 200, answer.text
                picture_s.append(seconds_to_picture(opened, counts, sheet))
            opened.check_quiet()
    shown = Table("", "median s", "worst s")
    found = {"genes": options.genes, "samples": options.samples, "mb": round(n_bytes / 1e6, 1)}
    for name, seconds in (("read_s", read_s), ("first_picture_s", picture_s)):
        median, worst = round(statistics.median(seconds), 2), round(max(seconds), 2)
        shown.add_row(name, str(median), str(worst))
        found |= {name: median, f"{name}_worst": worst}
    Console(stderr=True).print(shown)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
