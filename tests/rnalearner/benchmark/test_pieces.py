"""A store of pieces answers what is asked from whatever was asked before."""

from dataclasses import replace

import pandas as pd
import pytest

from rnalearner.benchmark.pieces import Piece, PieceStore
from rnalearner.benchmark.results import results_table
from rnalearner.benchmark.tasks import BenchmarkTask
from rnalearner.errors import RecipeError

TASK = BenchmarkTask("a/b", ("s",), ("s",), "label", ("x",), ("y",), "F")
ASKED = Piece("linear", TASK, 3, ("p", "q"), (0, 1, 2, 3, 4), (0, 1), "b" * 64)


def rows_of(piece: Piece, auroc: float = 0.5) -> pd.DataFrame:
    named = {"task": TASK.name, "family": "F", "k": piece.k, "centred": True, "n_test": 4}
    scores = {"auroc": auroc, "accuracy": 0.5, "brier": float("nan")}
    return results_table(
        {**named, **scores, "arm": arm, "draw": draw, "seed": seed} for arm, draw, seed in sorted(piece.units)
    )


@pytest.fixture
def store(tmp_path) -> PieceStore:
    return PieceStore(tmp_path / "pieces")


def fill(store: PieceStore, asked: Piece, most: int = 2) -> list[Piece]:
    missing = list(store.missing(asked, most))
    for piece in missing:
        store.save(piece, rows_of(piece), {"seconds": 1.0, "cpus": 1, "gpus": 0, "machine": "m"})
    return missing


def test_what_is_asked_first_is_missing_in_pieces_of_so_many_draws(store):
    missing = list(store.missing(ASKED, 2))
    assert [piece.draws for piece in missing] == [(0, 1), (2, 3), (4,)]
    assert all((piece.arms, piece.seeds) == (ASKED.arms, ASKED.seeds) for piece in missing)
    assert store.rows(ASKED) is None


def test_what_was_stored_is_not_missing_and_comes_back_as_it_was(store):
    fill(store, ASKED)
    assert list(store.missing(ASKED, 2)) == []
    pd.testing.assert_frame_equal(
        store.rows(ASKED).sort_values(["arm", "draw", "seed"], ignore_index=True), rows_of(ASKED)
    )


def test_more_arms_seeds_or_draws_add_only_what_is_new(store):
    fill(store, ASKED)
    [*more_arms] = fill(store, replace(ASKED, arms=("p", "r", "q")))
    assert {piece.arms for piece in more_arms} == {("r",)}
    [*more_seeds] = fill(store, replace(ASKED, seeds=(0, 1, 2)))
    assert {(piece.seeds, piece.arms) for piece in more_seeds} == {((2,), ("p", "q"))}
    [*more_draws] = fill(store, replace(ASKED, draws=tuple(range(7))))
    assert [piece.draws for piece in more_draws] == [(5,), (6,)]


def test_less_than_what_was_stored_is_taken_out_of_it(store):
    fill(store, ASKED)
    fewer = replace(ASKED, arms=("q",), draws=(0, 3), seeds=(1,))
    assert list(store.missing(fewer, 2)) == []
    assert store.rows(fewer)[["arm", "draw", "seed"]].to_numpy().tolist() == [["q", 0, 1], ["q", 3, 1]]


def test_another_basis_or_k_shares_nothing(store):
    fill(store, ASKED)
    for other in (replace(ASKED, basis="c" * 64), replace(ASKED, k=2), replace(ASKED, kind="guided")):
        assert len(list(store.missing(other, 5))) == 1
    same_name = replace(ASKED, basis="b" * 16 + "c" * 48)
    assert len(list(store.missing(same_name, 5))) == 1


def test_rows_without_their_note_were_cut_off_and_are_made_again(store):
    [piece] = fill(store, replace(ASKED, draws=(0,)))
    (store.folder / f"{piece.key}.json").unlink()
    assert list(store.missing(replace(ASKED, draws=(0,)), 5)) == [piece]


def test_an_arm_with_nothing_to_say_is_done_with_no_row(store):
    only = replace(ASKED, arms=("p",), draws=(0,), seeds=(0,))
    store.save(only, results_table([]), {})
    assert list(store.missing(only, 5)) == []
    assert len(store.rows(only)) == 0


def test_a_task_and_k_are_gathered_only_when_every_arm_is_there(store):
    other = replace(ASKED, arms=("r",), basis="d" * 64)
    at_one = replace(ASKED, k=1)
    fill(store, ASKED)
    fill(store, at_one)
    results, waiting = store.gathered([ASKED, other, at_one])
    assert waiting == [("a/b", 3)]
    assert set(results["k"]) == {1}
    fill(store, other)
    results, waiting = store.gathered([ASKED, other, at_one])
    assert waiting == []
    assert set(results["arm"]) == {"p", "q", "r"}


def test_what_a_piece_took_is_told_once(store):
    fill(store, ASKED, most=5)
    assert len(store.told([ASKED, replace(ASKED, arms=("p",))])) == 1


def test_a_piece_that_needs_a_run_says_so():
    with pytest.raises(RecipeError, match=r"a/b, k = 3, linear: starts from a run.*--runs"):
        ASKED.run_folder  # noqa: B018
