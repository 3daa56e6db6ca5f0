"""Two hundred names that bite, everywhere a report shows a name, opened in a real browser."""

import html
import re
from itertools import cycle, islice, pairwise
from pathlib import Path
from xml.etree import ElementTree

import anndata
import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from rnalearner.layout import BenchmarkLayout, RunLayout
from rnalearner.publish import write_json
from rnalearner.report.benchmark_page import write_benchmark
from rnalearner.report.explore_figures import draw_pair_plot
from rnalearner.report.guide_figures import guide_figure
from rnalearner.report.html import POLICY
from rnalearner.report.names import markdown, one_line
from rnalearner.report.page import write_report
from rnalearner.report.svg import inline_svg
from rnalearner.spreadsheet import read_csv, write_csv
from tests.active_cells import active_cells
from tests.chromium import Canary, canary, needs_chromium, opened
from tests.hostile_names import RAN, Hostile, hostile_names
from tests.rnalearner.report.toy_benchmark import toy_results, toy_told
from tests.rnalearner.report.toy_guide import write_guide

CARELESS = {
    "text": "<p>NAME</p>",
    "attribute": '<img src=x alt="NAME">',
    "title": "<title>NAME</title>",
    "style": "<style>NAME</style>x",
    "comment": "<!--NAME-->",
}
NOBODY = "http://127.0.0.1:9"
NAMES = [hostile.name for hostile in hostile_names(NOBODY)]


def careless_pages(folder: Path, names: list[Hostile], head: str = "") -> str:
    """A page of frames, each with one name put where it acts, as it is; the page's address."""
    acting = [hostile for hostile in names if hostile.context is not None]
    for hostile in acting:
        around = CARELESS[hostile.context]
        if hostile.name.startswith("'"):
            around = around.replace('"', "'")
        text = f"<!doctype html><meta charset=utf-8>{head}{around.replace('NAME', hostile.name)}"
        (folder / f"{hostile.number}.html").write_text(text)
    frames = "".join(f"<iframe src={hostile.number}.html></iframe>" for hostile in acting)
    (folder / "index.html").write_text(f"<!doctype html>{frames}")
    return (folder / "index.html").as_uri()


def calling(told: Canary) -> set[int]:
    """Numbers of the names that called."""
    return {int(found[1]) for line in told.heard if (found := re.search(r":\d+/(\d+)\b", line))}


@needs_chromium
def test_a_page_without_care_runs_every_name_that_can_act(tmp_path):
    with canary() as told:
        names = hostile_names(told.address)
        assert len(names) >= 200
        opened(careless_pages(tmp_path, names), told)
        assert calling(told) == {hostile.number for hostile in names if hostile.context is not None}
        alone = next(hostile for hostile in names if "onerror" in hostile.name)
        assert RAN not in alone.name
        assert RAN in opened((tmp_path / f"{alone.number}.html").as_uri(), told)


@needs_chromium
def test_the_policy_alone_stops_all_but_a_page_that_leaves_for_another(tmp_path):
    head = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    with canary() as told:
        names = hostile_names(told.address)
        opened(careless_pages(tmp_path, names, head), told)
        refreshing = {hostile.number for hostile in names if "http-equiv=refresh" in hostile.name}
        assert calling(told) == refreshing  # no policy knows these: they must be text


def many(names: list[str], n: int) -> list[str]:
    return list(islice(cycle(names), n))


def write_tables(layout: RunLayout, names: list[str], predictions: pd.DataFrame) -> None:
    """The run's tables anew, with names from outside wherever one can be: every name in several places."""
    untaught = predictions.query("arm == 'none'")
    tasks = [
        untaught.assign(task=name, study=name, subject=name, sample=many(names[place:], len(untaught)))
        for place, name in enumerate(names[::30])
    ]
    write_csv(layout.finetune("predictions"), pd.concat([predictions, *tasks]))
    rivals = read_csv(layout.linear("rival_predictions")).query("arm == 'lr_l2'")
    arms = [rivals.assign(arm=name, subject=name) for name in names[1::24]]
    write_csv(layout.linear("rival_predictions"), pd.concat(arms))
    rows = {"scout_id": range(len(names)), "name": names, "failed": names[::-1], "n_train": 4, "n_held": 2}
    rows |= {"epochs": 1, "steps": 1, "accuracy": 0.5, "loss": 0.1, "converged": False, "moved": 0.1}
    write_csv(layout.scouts, pd.DataFrame(rows).iloc[::6])  # the page shows sixty
    genes = {"task": "flight", "class": np.repeat(many(names, -(-len(names) // 15)), 15)[: len(names)]}
    genes |= {"rank": np.arange(len(names)) % 15 + 1, "gene": names[::-1], "symbol": names}
    told = {"weight": 1.0, "guide": 1.0, "effect": 1.0, "share": 0.1}
    write_csv(layout.linear("genes"), pd.DataFrame(genes | told))
    run = {
        "task": "flight",
        "arm": "linear",
        "seed": 0,
        "guided": True,
        "samples_a_class": 3,
        "genes_used": 3,
    }
    run |= dict.fromkeys(("train_accuracy", "validation_accuracy", "test_accuracy", "test_auroc"), 1.0)
    write_csv(layout.linear("runs"), pd.DataFrame([run | {"test_brier": 0.1, "seconds": 0.1}]))
    sets = pd.DataFrame({"set": names, "genes": 9, "vectors": 0.6, "axes": 0.6, "random": 0.5})
    layout.vector_sets.parent.mkdir()
    write_csv(layout.vector_sets, sets)
    studies = [
        {"study": name, "role": other, "n_samples": 4, "n_kept": 3, "panel_genes_measured": 17}
        | {
            "dropped": [{"sample": other, "reason": name}],
            "read": {"id_type": name, "dropped": {name: other}},
        }
        for name, other in zip(names, reversed(names), strict=True)
    ]
    write_json(layout.ingest_report, {"studies": studies})
    figures = {
        "model": "0" * 12,
        "name": names[0],
        "leaks": names,
        **dict(pairwise(names)),
    }
    write_json(layout.marker("explore"), {"phase": "explore", "seconds": 1.0, "figures": figures})


@pytest.fixture
def hostile_run(run_folder, predictions, config):
    """A report of a run in which everybody's names are hostile; called with the names."""

    def report(names: list[str]) -> Path:
        write_guide(run_folder)
        write_tables(run_folder, names, predictions)
        picture = run_folder.root / "p.png"
        picture.write_bytes(bytes.fromhex("89504e470d0a1a0a"))
        task = config.tasks[0].model_copy(
            update={"train": names[0], "test": names[1], "positive": tuple(names[:200])}
        )
        named = config.model_copy(update={"name": " ".join(names[29:58]), "tasks": (task,)})
        return write_report(run_folder, named, pictures=[(picture, name) for name in names])

    return report


@needs_chromium
def test_a_report_full_of_hostile_names_runs_none_and_asks_nobody(hostile_run, tmp_path):
    with canary() as told:
        page = hostile_run([hostile.name for hostile in hostile_names(told.address)])
        shown = opened(page.as_uri(), told)
        assert told.heard == []
    assert RAN not in shown
    assert shown.count("<svg") >= 5
    assert 'id="recipe"' in shown  # it was read to its end
    tags = set(re.findall(r"<([a-zA-Z]+)", shown))
    assert not tags & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "input",
        "video",
        "foreignObject",
    }


def test_every_name_stands_in_the_report_as_text_and_in_the_files_beside_it(hostile_run, run_folder):
    page = hostile_run(NAMES).read_text()
    assert POLICY in html.unescape(page.split("<title>")[0])
    for name in NAMES:
        if name.isprintable():
            assert str(html.escape(name)).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert not re.search("[\0\u202e\ud800-\udfff]", page)
    obs = anndata.read_h5ad(run_folder.report / "predictions.h5ad").obs
    assert obs["sample"].nunique() >= 25
    paths = sorted(run_folder.root.rglob("*.csv"))
    written = [
        path
        for path in paths
        if path.stem in ("predictions", "scouts", "genes", "runs", "sets", "guide_members")
    ]
    assert len(written) == 6
    assert not [cell for path in written for cell in active_cells(path)]


def hostile_benchmark(layout: BenchmarkLayout, names: list[str]) -> None:
    """A benchmark whose tasks, families, studies, groups and runs have these names, forty tasks at a time."""
    table = toy_results()
    tasks = sorted(table["task"].unique())
    renamed = dict(zip(tasks, names, strict=False))
    families = dict(zip(sorted(table["family"].unique()), reversed(names), strict=False))
    told = toy_told(leaks=names, options={name: name for name in names})
    for place, asked in enumerate(told["asked"]):
        own = names[place::10]
        asked |= {
            "name": renamed[asked["name"]],
            "family": families[asked["family"]],
            "train": own,
            "test": own[::-1],
        }
        asked |= {"column": own[0], "positive": own, "negative": own, "run": own[-1], "left_out": own}
    told["folds"] = [{"run": name, "tasks": [name], "left_out": [name]} for name in names]
    told["cost"] = [row | {"arms": names[0], "machine": names[1]} for row in told["cost"]]
    table = table.assign(task=table["task"].map(renamed), family=table["family"].map(families))
    permutation = pd.DataFrame({"task": names, "arm": names[::-1], "centred": True, "auroc": 0.5, "p": 0.5})
    write_benchmark(layout, table, permutation.assign(relabellings=9, exact=True), told)


@needs_chromium
def test_a_benchmark_of_hostile_names_runs_none_and_asks_nobody(tmp_path):
    layout = BenchmarkLayout(tmp_path / "out")
    with canary() as told:
        hostile_benchmark(layout, [hostile.name for hostile in hostile_names(told.address)])
        shown = opened(layout.report.as_uri(), told)
        assert told.heard == []
    assert RAN not in shown
    assert shown.count("<svg") == 4
    assert "<script" not in shown
    assert not [cell for path in (layout.results, layout.permutation) for cell in active_cells(path)]


def test_in_markdown_a_name_is_neither_link_nor_tag():
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    for name in NAMES:
        said = f"| a | b |\n| --- | --- |\n| {markdown(name)} | x |\n"
        inline = [token for token in reader.parse(said) if token.type == "inline"]
        assert len(inline) == 4
        assert {child.type for token in inline for child in token.children} <= {"text", "text_special"}
        assert inline[2].content or not name.strip()


UNFIT_TO_DRAW = [name for name in NAMES if not name.isprintable() or "$" in name or len(name) > 500]
"""Mathematics, controls, broken letters and thousands of them."""


@pytest.mark.parametrize("start", range(0, len(UNFIT_TO_DRAW), 36))
def test_a_corpus_of_hostile_studies_is_drawn(tmp_path, start):
    for place in range(start, min(start + 36, len(UNFIT_TO_DRAW)), 9):
        groups = many(UNFIT_TO_DRAW[place : place + 9], 27)
        scores = np.random.default_rng(0).normal(size=(27, 2))
        path = draw_pair_plot(scores, scores, pd.DataFrame({"study": groups}), "study", tmp_path)
        assert path.stat().st_size > 1000


def test_a_figure_says_every_name_and_keeps_its_shape():
    for start in range(0, len(NAMES), 40):
        names = NAMES[start : start + 40]
        svg = inline_svg(guide_figure(dict.fromkeys(names, np.ones(2))), "g", "names")
        read = ElementTree.fromstring(svg.replace(" xlink:", " "))
        said = {" ".join("".join(text.itertext()).split()) for text in read.iter("text")}
        assert {one_line(name) for name in names} - {""} <= said
