"""Numbers as charts: every sample once, under its own name, and nothing that JSON cannot say."""

import json
from typing import Any

import pytest

from service.pages import charts

SAMPLES = ["a", "b", "c", "d"]
POINTS = [[1.0, 2.0, 0.1], [3.0, 4.0, 0.2], [-1.0, 0.5, 0.3], [0.0, 0.0, 0.0]]


def test_a_bar_a_sample_in_millions_and_their_median():
    picture = charts.library_sizes(SAMPLES, [1e6, 2e6, 30e6, 4e6])
    option = picture["options"]["all"]
    assert option["yAxis"]["data"] == SAMPLES
    assert option["series"][0]["data"] == [1, 2, 30, 4]
    assert option["series"][0]["markLine"]["data"] == [{"xAxis": 4}]
    assert "from 1 to 30 million reads" in picture["says"]


def test_names_on_an_axis_lose_what_all_begin_with():
    assert charts.brief(["Mmus_TA_FLT_1", "Mmus_TA_GC_1"]) == ["…FLT_1", "…GC_1"]
    assert charts.brief(["S_1", "S_2"]) == ["S_1", "S_2"]
    assert charts.brief(["Mouse10", "Mouse11"]) == ["Mouse10", "Mouse11"]
    assert charts.brief(["only_one_mouse"]) == ["only_one_mouse"]


def test_every_view_of_the_components_shows_every_sample_once_with_its_group():
    views = {"group": ["x", "y", "x", ""], "lane": ["1", "1", "2", "2"]}
    picture = charts.components(SAMPLES, POINTS, [0.5, 0.2, 0.1], views)
    assert list(picture["options"]) == ["group", "lane"]
    for option, values in zip(picture["options"].values(), views.values(), strict=True):
        shown = {
            dot["name"]: (series["name"], dot["value"])
            for series in option["series"]
            for dot in series["data"]
        }
        assert shown == {
            sample: (value or "not told", point[:2])
            for sample, value, point in zip(SAMPLES, values, POINTS, strict=True)
        }
        assert len({series["symbol"] for series in option["series"]}) == len(option["series"])


def test_one_component_and_no_grouping_are_a_picture_too():
    picture = charts.components(SAMPLES, [[1.0], [2.0], [3.0], [4.0]], [1.0], {})
    (option,) = picture["options"].values()
    assert [dot["value"] for dot in option["series"][0]["data"]] == [[1, 0], [2, 0], [3, 0], [4, 0]]


def test_groups_beyond_a_legends_reach_are_shown_as_others():
    names = [f"s{number}" for number in range(30)]
    picture = charts.components(names, [[0.0, 0.0]] * 30, [0.5, 0.5], {"animal": names})
    series = picture["options"]["animal"]["series"]
    assert len(series) == 12
    assert len(series[-1]["data"]) == 19
    assert sum(len(each["data"]) for each in series) == 30


def test_a_square_a_pair_without_each_sample_and_itself():
    picture = charts.correlation(["a", "b"], [[1.0, 0.9], [0.9, 1.0]])
    option = picture["options"]["all"]
    assert option["series"][0]["data"] == [[1, 0, 0.9], [0, 1, 0.9]]
    assert (option["visualMap"]["min"], option["visualMap"]["max"]) == (0.9, 0.9)


def test_curves_have_a_view_a_figure_and_a_line_a_label():
    points = [
        {"label": "scout 1", "done": 1, "figures": {"loss": 3.0}},
        {"label": "scout 2", "done": 1, "figures": {"loss": 2.0, "accuracy": 0.5}},
        {"label": "scout 1", "done": 2, "figures": {"loss": 1.0}},
    ]
    picture = charts.curves(points)
    assert picture is not None
    assert list(picture["options"]) == ["loss", "accuracy"]
    lines = {line["name"]: line["data"] for line in picture["options"]["loss"]["series"]}
    assert lines == {"scout 1": [[1, 3], [2, 1]], "scout 2": [[1, 2]]}
    assert charts.curves([]) is None


def test_whiskers_reach_from_the_lower_to_the_upper_end():
    rows = [
        {"name": "ours", "mean": 0.8, "low": 0.5, "high": 0.95},
        {"name": "no test", "mean": None, "low": None, "high": None},
    ]
    option = charts.intervals(rows, "Accuracy", chance=0.5)["options"]["all"]
    start, span, dots = option["series"]
    assert start["data"] == [0.5]
    assert span["data"] == [pytest.approx(0.45)]
    assert dots["data"] == [[0.8, 0]]
    assert option["yAxis"]["data"] == ["ours"]


def test_parallel_axes_hold_numbers_or_words_and_end_with_the_loss():
    option = charts.parallel(["head", "epochs", "loss"], [["conv", 10.0, 0.4], ["gene_pool", 20.0, 0.3]], "")
    axes = option["options"]["all"]["parallelAxis"]
    assert axes[0]["data"] == ["conv", "gene_pool"]
    assert "data" not in axes[1]
    assert option["options"]["all"]["visualMap"]["dimension"] == 2


@pytest.mark.parametrize(
    "picture",
    [
        charts.library_sizes(["</script>", "b"], [1.0, 2.0]),
        charts.components(SAMPLES, POINTS, [0.5, 0.2, 0.1], {"g": SAMPLES}),
        charts.correlation(["one"], [[1.0]]),
        charts.bars("Guide", [("Per2", 1.0), ("Dbp", 0.5)], "guide"),
    ],
)
def test_a_picture_is_plain_data_with_a_title_and_words(picture: dict[str, Any]):
    json.dumps(picture, allow_nan=False)
    assert picture["title"]
    assert picture["says"].endswith(".")
    assert picture["height"] > 0
