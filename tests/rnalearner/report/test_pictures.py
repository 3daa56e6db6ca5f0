"""Every figure of a page as a file of its own."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from rnalearner.linear.scores import auroc
from rnalearner.report.called import Called
from rnalearner.report.curve_figures import (
    calibration_caption,
    calibration_figure,
    roc_caption,
    roc_figure,
)
from rnalearner.report.curves import auroc_interval
from rnalearner.report.page import write_report
from rnalearner.report.pictures import picture, write_pictures
from tests.rnalearner.report.conftest import write_learner

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title><script>alert(1)</script>"


def said(y: list[int], p1: list[float], rival: float | None = None) -> Called:
    """Two classes; a rival that gives every sample the same probability."""
    samples = pd.DataFrame({"sample": [f"s{i}" for i in range(len(y))], "y": y, "study": "A", "subject": ""})
    p_nc = np.column_stack([1 - np.array(p1), p1])
    rival_nc = np.full_like(p_nc, np.nan if rival is None else rival)
    return Called("linear", samples, p_nc[None], rival_nc, np.full(len(y), -1 if rival is None else 1))


def test_each_figure_of_the_page_is_a_file_in_the_order_of_the_page(run_folder, config):
    write_learner(run_folder)
    page = write_report(run_folder, config).read_text()
    told = json.loads((run_folder.report_figures / "figures.json").read_text())
    names = ["accuracy", "roc-0", "calibration-0", "curves-0", "pretraining"]
    assert [one["file"] for one in told] == [f"{name}.svg" for name in names]
    assert sorted(path.name for path in run_folder.report_figures.glob("*.svg")) == sorted(
        f"{name}.svg" for name in names
    )
    ids = [page.index(f'id="{name}-') for name in names]
    assert ids == sorted(ids)
    assert all(one["title"] and one["caption"] for one in told)


def test_a_file_is_valid_and_does_and_asks_nothing(run_folder, config):
    write_learner(run_folder)
    write_report(run_folder, config)
    for path in run_folder.report_figures.glob("*.svg"):
        root = ElementTree.fromstring(path.read_text())
        assert root.tag == f"{SVG}svg"
        style = "".join(root.find(f"{SVG}style").itertext())
        assert "@media (prefers-color-scheme: dark)" in style
        used = set(re.findall(r"var\(--(\w+),", path.read_text()))
        assert used
        assert all(style.count(f"--{name}:") == 2 for name in used)
        for element in root.iter():
            assert element.tag.startswith(SVG)
            assert element.tag.removeprefix(SVG) not in ("script", "foreignObject", "image", "a")
            for name, value in element.attrib.items():
                assert not name.lower().startswith("on")
                assert "//" not in value
                if name.endswith("href"):
                    assert value.startswith("#")


def test_hostile_titles_and_groups_stay_text(tmp_path):
    drawn = picture(
        roc_figure,
        said([0, 1], [0.2, 0.8]),
        ("GC", HOSTILE),
        HOSTILE,
        name="r",
        title=HOSTILE,
        caption=HOSTILE,
    )
    write_pictures(tmp_path / "figures", [drawn])
    root = ElementTree.fromstring((tmp_path / "figures" / "r.svg").read_text())
    assert root.find(f"{SVG}title").text == HOSTILE
    assert not list(root.iter(f"{SVG}script"))


def test_figures_of_an_earlier_report_are_gone(tmp_path):
    one = picture(roc_figure, said([0, 1], [0.2, 0.8]), ("a", "b"), "m", name="one", title="t", caption="c")
    write_pictures(tmp_path / "figures", [one])
    write_pictures(tmp_path / "figures", [])
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["figures.json"]


def test_the_roc_goes_through_its_points_with_its_band_around_it():
    figure = roc_figure(said([0, 0, 1, 1], [0.1, 0.6, 0.5, 0.9], rival=0.5), ("GC", "FLT"), "guided linear")
    axis = figure.axes[0]
    own = axis.lines[2]
    assert own.get_xdata().tolist() == [0, 0, 0.5, 0.5, 1]
    assert own.get_ydata().tolist() == [0, 0.5, 0.5, 1, 1]
    assert axis.lines[1].get_ydata().tolist() == [0, 1]  # the rival tells nothing
    assert axis.get_title(loc="left") == "FLT: 2 of 4"
    assert len(axis.collections) == 1


def test_each_of_three_classes_has_a_panel():
    samples = pd.DataFrame({"sample": list("abc"), "y": [0, 1, 2], "study": "A", "subject": ""})
    three = Called("linear", samples, np.eye(3)[None], np.full((3, 3), np.nan), np.full(3, -1))
    figure = roc_figure(three, ("x", "y", "z"), "m")
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["x: 1 of 3", "y: 1 of 3", "z: 1 of 3"]
    assert calibration_figure(three, ("x", "y", "z"), "m").axes[0].get_xlabel() == "probability of the call"


def test_dots_of_calibration_stand_at_the_share_that_came_true():
    axis = calibration_figure(said([0, 1, 1, 1], [0.1, 0.2, 0.8, 0.9]), ("GC", "FLT"), "m").axes[0]
    dots = axis.lines[-1]
    assert dots.get_xdata().tolist() == pytest.approx([0.15, 0.85])
    assert dots.get_ydata().tolist() == [0.5, 1]


def test_captions_say_what_so_few_samples_can_tell():
    both = said([0, 1] * 6, [0.2, 0.8] * 6, rival=0.5)
    interval = auroc_interval(auroc(both.y_n, both.mean_nc), both.y_n)
    words = roc_caption(both, ("GC", "FLT"), "held out in turn")
    assert words.startswith("Samples held out in turn: 6 GC and 6 FLT.")
    assert f"The AUROC is 1.00 [{interval.low:.2f}, 1.00]; the rival's is 0.50 [" in words
    assert "which excludes chance, 0.5" in words
    assert "moves its rate by 17 points" in words
    assert "which holds chance, 0.5" in roc_caption(said([0, 1] * 2, [0.5] * 4), ("GC", "FLT"), "test")
    calibration = calibration_caption(both, "test")
    assert "Calibration on 12 test samples" in calibration
    assert (
        "The fullest quarter holds 6: were all of them to come true, the true share could still be 54 %"
        in (calibration)
    )
    assert "No calibration error is given" in calibration
    many = calibration_caption(said([0, 1] * 60, [0.2, 0.8] * 60), "test")
    assert "The expected calibration error is 0.20." in many
