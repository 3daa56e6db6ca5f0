import numpy as np
import pandas as pd

from rnalearner.report.benchmark_figures import (
    FARTHEST,
    featured,
    forest_figure,
    macro_figure,
    tasks_figure,
)
from rnalearner.report.svg import GREEN, GREY, VERMILION, inline_svg


def compared(*rows: tuple[str, int, bool, float, float, float]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["label", "k", "centred", "mean", "low", "high"])
    return table.assign(families=12)


def test_arms_of_note_have_a_look_each_and_others_none():
    looks = featured(["knn_3", "mine", "none", "lr_l2", "guided_linear"])
    assert list(looks) == ["knn_3", "none", "guided_linear"]
    assert len({(look.colour, look.marker, look.dash) for look in looks.values()}) == 3


def test_a_forest_is_coloured_by_where_its_intervals_lie():
    rows = compared(
        ("a", 1, True, 0.1, 0.05, 0.2), ("b", 1, True, 0.0, -0.1, 0.1), ("c", 1, True, -0.1, -0.2, -0.01)
    )
    [axis] = forest_figure(rows).axes
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert [dot.get_color() for dot in dots] == [GREEN, GREY, VERMILION]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["a", "b", "c"]
    assert axis.get_title(loc="left") == "k = 1, 12 families"


def test_centred_and_uncentred_stand_beside_each_other_and_a_panel_a_k():
    rows = compared(
        ("a", 1, False, 0.1, 0.05, 0.2), ("a", 1, True, 0.1, 0.05, 0.2), ("b", 3, True, 0, -0.1, 0.1)
    )
    first, second = forest_figure(rows).axes
    heights = sorted(line.get_ydata()[0] for line in first.lines if line.get_marker() == "o")
    assert heights == [-0.17, 0.17]
    assert [line.get_ydata()[0] for line in second.lines if line.get_marker() == "o"] == [-1]


def test_an_arm_at_chance_does_not_press_the_others_together():
    rows = compared(("a", 1, True, -0.9, -1.0, -0.8), ("b", 1, True, 0.01, 0.0, 0.02))
    [axis] = forest_figure(rows).axes
    assert axis.get_xlim()[0] >= -FARTHEST - 0.05


def test_a_difference_of_one_family_is_a_dot_without_an_interval():
    [axis] = forest_figure(compared(("a", 1, True, 0.1, np.nan, np.nan))).axes
    assert [line.get_color() for line in axis.lines if line.get_marker() == "o"] == [GREY]


def test_every_task_has_a_panel_and_unknown_arms_are_faint():
    table = pd.DataFrame(
        [
            (f"a_task_with_a_long_name_{task}", k, arm, 0.5)
            for task in range(7)
            for k in (1, 6)
            for arm in ("none", "x")
        ],
        columns=["task", "k", "arm", "auroc"],
    )
    figure = tasks_figure(table, featured(["none"]))
    drawn = [axis for axis in figure.axes if axis.axison]
    assert len(drawn) == 7
    assert drawn[0].get_title(loc="left") == "a_task_with_a_long_\nname_0"
    assert [tick.get_text() for tick in drawn[0].get_xticklabels()] == ["1", "6"]


def test_an_arm_that_was_not_run_at_some_k_has_a_gap():
    arms = pd.DataFrame(
        [(1, "none", 0.5, 0.4, 0.6), (3, "none", 0.6, 0.5, 0.7), (1, "knn_3", 0.7, 0.6, 0.8)],
        columns=["k", "arm", "mean", "low", "high"],
    )
    text = inline_svg(macro_figure(arms, featured(["none", "knn_3"])), "macro", "means")
    assert "kNN-3" in text
    assert "k = 3" in text
