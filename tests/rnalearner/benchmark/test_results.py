import numpy as np
import pandas as pd
import pytest

from rnalearner.benchmark.results import (
    COLUMNS,
    checked_results,
    join_results,
    read_results,
    result_row,
    results_table,
    write_results,
)
from rnalearner.benchmark.tasks import load_task
from rnalearner.errors import RecipeError


def table(**changes):
    row = dict(zip(COLUMNS, ["t", "F", 1, 0, 0, "arm", True, 0.75, 0.5, np.nan, 8], strict=True))
    return pd.DataFrame([row | changes])


def test_a_row_tells_what_a_prediction_is_worth(compendium, tasks):
    loaded = load_task(compendium, tasks["first"])
    y, score = np.array([1.0, 1, 0, 0]), np.array([2.0, -1, 1, -3])
    row = result_row(loaded, 2, 7, 3, "arm", False, y, score, np.array([1, 0.5, 0.5, 0]))
    assert list(row.values()) == ["first", "P", 2, 7, 3, "arm", False, 0.75, 0.5, 0.125, 4]
    assert np.isnan(result_row(loaded, 2, 7, 3, "arm", False, y, score, None)["brier"])


def test_results_are_read_as_they_were_written(tmp_path):
    written = pd.concat([table(), table(draw=1, brier=0.25, task="NA", arm="None")], ignore_index=True)
    write_results(tmp_path / "results.csv", written)
    pd.testing.assert_frame_equal(read_results(tmp_path / "results.csv"), written)


def test_pieces_are_joined_in_one_order_whatever_came_first():
    pieces = [table(), table(draw=1), table(arm="other"), results_table([])]
    pd.testing.assert_frame_equal(join_results(pieces), join_results(pieces[::-1]))
    assert join_results([]).empty


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (table().drop(columns="seed"), "has no column seed"),
        (table(k="one"), "column k holds no numbers"),
        (table(auroc=1.5), "auroc is 1.5 in a row of t"),
        (table(centred="yes"), "column centred holds more"),
        (pd.concat([table(), table(auroc=1.0)]), "task t, k 1, draw 0, seed 0, arm arm, centred True twice"),
        (pd.concat([table(), table(draw=1, family="G")]), "task t counts for two families"),
    ],
)
def test_a_table_that_cannot_be_right_is_refused(wrong, told):
    with pytest.raises(RecipeError, match=told):
        checked_results(wrong, "results.csv")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RecipeError, match="cannot be read"):
        read_results(tmp_path / "results.csv")
