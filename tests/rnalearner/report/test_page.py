import html
import json
import re
from html.parser import HTMLParser

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

from rnalearner.errors import InputError
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.publish import write_json
from rnalearner.report import figures as draw
from rnalearner.report.curves import auroc_interval
from rnalearner.report.guide_figures import guide_figure
from rnalearner.report.html import POLICY
from rnalearner.report.page import exploration_pictures, write_report
from rnalearner.report.svg import inline_svg
from rnalearner.report.tables import arm_table, rival_table
from tests.rnalearner.report.conftest import write_learner

VOID = {"meta", "img", "br", "path", "use"}
HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Tags, ids and addresses of a page; complains of tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.addresses, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self._attributes(attributes)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self._attributes(attributes)

    def handle_endtag(self, tag):
        if tag not in VOID:
            optional = {"li", "p"}
            while self.open[-1] != tag and self.open[-1] in optional:
                self.open.pop()
            assert self.open.pop() == tag

    def _attributes(self, attributes):
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action", "srcset"):
                self.addresses.append(value)


@pytest.fixture
def page(run_folder, config):
    (run_folder.explore_figures).mkdir()
    pixel = bytes.fromhex("89504e470d0a1a0a")
    (run_folder.explore_figures / "pairs.png").write_bytes(pixel)
    (run_folder.explore_figures / "umap.png").write_bytes(pixel)
    (run_folder.explore_figures / "captions.json").write_text(json.dumps({"umap.png": f"UMAP {HOSTILE}"}))
    Guide({"blocks.5.weight": torch.linspace(0, 1, 12).reshape(3, 4)}, {}).save(run_folder.guide)
    return write_report(run_folder, config, leaks=["one more leak"]).read_text()


def test_the_page_needs_nothing_from_outside(page):
    parsed = Page(page)
    assert parsed.addresses
    assert all(address.startswith(("#", "data:")) for address in parsed.addresses)
    assert re.search(r"https?://|//[a-z]+\.|@import", page) is None
    assert "script" not in parsed.tags
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in html.unescape(page)


def test_hostile_names_are_shown_as_text(page):
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page  # a scout
    assert "&lt;script&gt;alert(2)&lt;/script&gt;" in page  # a dropped sample
    assert "UMAP &lt;script&gt;" in page  # a caption


def test_hostile_names_stay_text_inside_figures(curves, predictions):
    svg = inline_svg(draw.curves_figure(curves.assign(arm=HOSTILE), "flight"), "c", f'a "{HOSTILE}"')
    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert draw.accuracy_figure(arm_table(predictions.assign(task="$x$ <b>")), None)


def test_ids_are_unique_and_links_find_them(page):
    parsed = Page(page)
    assert len(set(parsed.ids)) == len(parsed.ids)
    inside = {address[1:] for address in parsed.addresses if address.startswith("#")}
    assert inside <= set(parsed.ids)
    used = set(re.findall(r"url\(#([^)]+)\)", page))
    assert used <= set(parsed.ids)


def test_every_section_has_its_numbers(page):
    text = re.sub(r"\s+", " ", re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))
    for said in (
        "guided 2 seeds 100 % [54, 100]",
        "nearest centroid centred 100 % [54, 100]",
        "each gene's own commonest bin 55.0 % 1.300",
        "cluster 1 against 2 40 10 5 90 % 0.300 0.75 90 %",
        "failed: out of memory",
        "A: 2 dropped",
        "expresses 3 genes, fewer than 200",
        "no average mapped length",
        "blocks.5.weight",
        "2 leaks found",
        "one more leak",
        "Not part of this run, or not complete: ingest, explore, genes, gene2vec, scout, linear",
        "12.5 s",
        '"name": "flight"',
    ):
        assert said in text.replace("&#39;", "'").replace("&#34;", '"'), said


def test_the_guided_linear_model_stands_beside_arms_and_rivals_with_its_genes(run_folder, config):
    write_learner(run_folder)
    folder = write_report(run_folder, config).parent
    page = (folder / "index.html").read_text()
    Page(page)
    said = words_of(page)
    for what in (
        "guided 2 seeds 100 % [54, 100]",
        "guided linear calibrated 83 % [36, 100]",
        "nearest centroid centred 100 % [54, 100]",
        "3 genes have a weight; learnt from 3 samples of the smallest group.",
        "Positive weights speak for FLT.",
        "ENSMUSG00000000001 Gnai3 75 % 1.500 2.00 3.25",
        "ENSMUSG00000000003 NA 12 % -0.500 -1.00 0.75",
        "ENSMUSG00000000028 12 % 0.250 0.40 –",
    ):
        assert what in said, what
    calls = anndata.read_h5ad(folder / "predictions.h5ad").obs["rnalearner_linear_call"]
    assert (calls == "FLT").sum() == 2


def test_a_run_of_the_linear_model_alone_is_a_whole_report(run_folder, config):
    for table in ("predictions", "curves"):
        run_folder.finetune(table).unlink()
    write_learner(run_folder, guided=False)
    folder = write_report(run_folder, config).parent
    said = words_of((folder / "index.html").read_text())
    assert "linear, no guide calibrated 83 %" in said
    assert "3 genes have a weight; there was no gene guide;" in said
    assert (folder / "predictions.h5ad").exists()


def test_the_same_run_gives_the_same_page(run_folder, config):
    assert write_report(run_folder, config).read_bytes() == write_report(run_folder, config).read_bytes()


def test_numbers_and_predictions_lie_beside_the_page(run_folder, config):
    folder = write_report(run_folder, config).parent
    summary = json.loads((folder / "summary.json").read_text())
    data = anndata.read_h5ad(folder / "predictions.h5ad")
    assert data.n_obs == summary["tasks"]["flight"]["n_test"]
    assert json.loads(data.uns["rnalearner"])["verdict"] == summary["verdict"]


def test_a_run_with_nothing_in_it_says_so(tmp_path, config):
    page = write_report(RunLayout(tmp_path), config).read_text()
    for verb in ("linear", "finetune", "pretrain", "explore", "scout", "ingest"):
        assert f"<code>rnalearner {verb}</code> has not left them" in page
    assert not (tmp_path / "report" / "predictions.h5ad").exists()
    Page(page)


def words_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))


def test_a_task_without_a_test_says_that_nothing_was_scored(run_folder, config, runs, curves, predictions):
    run_folder.linear("rival_predictions").unlink()
    trained = predictions[predictions["split"] == "train"].assign(task="untested")
    trained.to_csv(run_folder.finetune("predictions"), index=False)
    runs[runs["task"] == "untested"].to_csv(run_folder.finetune("runs"), index=False)
    watched = curves[curves["split"] == "train"].assign(task="untested")
    watched.to_csv(run_folder.finetune("curves"), index=False)
    task = {"name": "untested", "train": "A", "groups": ["x", "y"]}
    config = config.model_validate(config.model_dump() | {"tasks": [task]})
    folder = write_report(run_folder, config).parent
    page = (folder / "index.html").read_text()
    Page(page)
    said = words_of(page)
    assert "Learn y from x in A, watch nothing, and be judged on nothing." in said
    assert "Nothing was scored. The task has no test samples." in said
    assert "guided 2 seeds 95 % –" in said
    assert "predictions.h5ad" not in said
    assert not (folder / "predictions.h5ad").exists()


def test_three_classes_are_told_apart_on_the_page(run_folder, config, organ_predictions, organ_linear):
    organ_predictions.to_csv(run_folder.finetune("predictions"), index=False)
    linear, rival_predictions = organ_linear
    linear.to_csv(run_folder.linear("rivals"), index=False)
    rival_predictions.to_csv(run_folder.linear("rival_predictions"), index=False)
    organ = {"name": "organ", "train": "OA", "test": "OT", "groups": ["liver", "skin", "brain"]}
    config = config.model_validate(config.model_dump() | {"tasks": [organ]})
    said = words_of(write_report(run_folder, config).read_text())
    assert "Tell apart liver, skin and brain in OA, watch nothing, be judged on OT" in said
    assert "Chance is 33 %." in said
    assert "guided 1 seed 50 % [12, 88]" in said
    auroc = auroc_interval(0.75, np.array([0, 1, 2] * 2))
    told = f"0.75 [{auroc.low:.2f}, {auroc.high:.2f}]"
    assert f"nearest centroid centred 100 % [54, 100] {told} –" in said


def test_what_a_published_model_stands_for_is_said(run_folder, config):
    for phase, table in (("pretrain", run_folder.pretrain_metrics), ("scout", run_folder.scouts)):
        table.unlink()
        figures = {"model": "0123456789ab"} | ({"name": "osd"} if phase == "pretrain" else {})
        write_json(run_folder.marker(phase), {"phase": phase, "seconds": 0.1, "figures": figures})
    said = words_of(write_report(run_folder, config).read_text())
    for what in ("Masked scores", "Scouts"):
        assert f"{what}: taken over from the published model osd ( 0123456789ab )" in said


@pytest.mark.parametrize(
    "table",
    [
        "finetune/predictions",
        "finetune/curves",
        "linear/rival_predictions",
        "linear/predictions",
        "linear/runs",
        "linear/genes",
    ],
)
def test_any_one_table_may_be_missing(run_folder, config, table):
    write_learner(run_folder)
    (run_folder.root / f"{table}.csv").unlink()
    Page(write_report(run_folder, config).read_text())


def test_a_damaged_table_is_named(run_folder, config):
    run_folder.scouts.write_text("a\n")
    with pytest.raises(InputError, match=r"scouts\.csv: lacks the column 'scout_id'"):
        write_report(run_folder, config)


def test_pictures_follow_their_captions(run_folder):
    run_folder.explore_figures.mkdir()
    for name in ("a_first.png", "b.svg", "notes.txt"):
        (run_folder.explore_figures / name).write_bytes(b"x")
    (run_folder.explore_figures / "captions.json").write_text('{"b.svg": "The second"}')
    pictures = [(path.name, caption) for path, caption in exploration_pictures(run_folder)]
    assert pictures == [("b.svg", "The second"), ("a_first.png", "a first")]


def test_dots_stand_at_the_accuracies(predictions, rival_predictions):
    figure = draw.accuracy_figure(arm_table(predictions), rival_table(rival_predictions))
    dots = [line for line in figure.axes[0].lines if line.get_marker() in ("o", "s")]
    shown = sorted(float(line.get_xdata()[0]) for line in dots)
    unseen = [1 / 4, 3 / 4, 1]
    assert shown == pytest.approx(sorted([3 / 6, 5 / 6, 1, *unseen, 0, 1]))


def test_chance_is_drawn_where_it_lies(organ_predictions, predictions, curves):
    figure = draw.accuracy_figure(arm_table(pd.concat([predictions, organ_predictions])), None)
    lines = [axis.lines[0].get_xdata()[0] for axis in figure.axes[:2]]
    assert lines == pytest.approx([1 / 2, 1 / 3])
    of_curves = draw.curves_figure(curves, "flight", 1 / 3).axes[0]
    assert of_curves.lines[0].get_ydata()[0] == pytest.approx(1 / 3)


def test_curves_have_a_column_an_arm_and_leave_the_test_split_out(curves):
    figure = draw.curves_figure(curves, "flight")
    assert [axis.get_title(loc="left") for axis in figure.axes[:3]] == [
        f"{arm}, 2 seeds" for arm in ("none", "pretrained", "guided")
    ]
    of_arm = curves[(curves.arm == "none") & (curves.split == "validation")]
    lines = {line.get_label(): line for line in figure.axes[3].lines}
    assert set(lines) == {"train", "validation"}
    np.testing.assert_allclose(lines["validation"].get_ydata(), of_arm.groupby("epoch").loss.mean())


def test_both_trivial_predictors_are_drawn(pretrain):
    loss, accuracy = draw.pretraining_figure(pretrain).axes
    assert {2.1, 1.3} <= {float(line.get_ydata()[0]) for line in loss.lines}
    assert {0.31, 0.55} <= {float(line.get_ydata()[0]) for line in accuracy.lines}


def test_the_guide_shows_its_freest_tensors(pretrain):
    values = {f"t{i}": np.full(3, i / 50) for i in range(50)}
    labels = [label.get_text() for label in guide_figure(values).axes[0].get_yticklabels()]
    assert len(labels) == 40
    assert labels[0] == "t49"
    assert "t9" not in labels


def test_drawing_leaves_the_settings_of_others_alone(pretrain):
    import matplotlib

    before = dict(matplotlib.rcParams)
    inline_svg(draw.pretraining_figure(pretrain), "p", "")
    assert dict(matplotlib.rcParams) == before
    assert isinstance(pretrain, pd.DataFrame)
