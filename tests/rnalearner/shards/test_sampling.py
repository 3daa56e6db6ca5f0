import numpy as np
import pytest

from rnalearner.errors import RecipeError
from rnalearner.shards.read import ShardStore
from rnalearner.shards.sampling import EpochPlan

STARTS = np.arange(0, 101, 10)  # ten row groups of ten
ROWS = np.setdiff1d(np.arange(100), [3, 14, 15, 16, 17, 18, 92])


def plan(rows: np.ndarray = ROWS, **changes: int) -> EpochPlan:
    options = {"batch_size": 4, "seed": 1, "epoch": 0, "rank": 0, "num_ranks": 1, "shuffle_groups": 3}
    return EpochPlan(STARTS, rows, **(options | changes))


def drawn(*plans: EpochPlan) -> list[int]:
    return [int(row) for one in plans for batch in one.batches() for row in batch]


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 8])
def test_ranks_share_the_rows_and_have_as_many_batches(num_ranks: int) -> None:
    plans = [plan(rank=rank, num_ranks=num_ranks) for rank in range(num_ranks)]
    assert {one.n_batches for one in plans} == {93 // num_ranks // 4}
    rows = drawn(*plans)
    assert len(rows) == len(set(rows)) == num_ranks * plans[0].n_batches * 4
    assert set(rows) <= set(ROWS.tolist())
    assert {len(batch) for one in plans for batch in one.batches()} == {4}


def test_ranks_share_even_a_single_row_group_and_swap_its_rows() -> None:
    seen = [
        set(drawn(plan(np.arange(10), rank=0, num_ranks=2, batch_size=5, epoch=epoch))) for epoch in range(20)
    ]
    assert {len(rows) for rows in seen} == {5}
    assert set.union(*seen) == set(range(10))


def test_seed_and_epoch_decide_the_order() -> None:
    assert drawn(plan()) == drawn(plan())
    assert drawn(plan()) != drawn(plan(epoch=1))
    assert drawn(plan()) != drawn(plan(seed=2))


def test_every_row_comes_within_a_few_epochs() -> None:
    assert set().union(*(drawn(plan(epoch=epoch, num_ranks=3)) for epoch in range(20))) == set(ROWS.tolist())


def test_a_window_holds_few_row_groups_and_mixes_them() -> None:
    one = plan(np.arange(100), batch_size=1)
    windows = list(one.windows())
    assert [len(np.unique(window // 10)) for window in windows] == [3, 3, 3, 1]
    # Within a window of three groups, neighbours share their group in a third of the cases.
    same = np.mean([np.mean(np.diff(window // 10) == 0) for window in windows[:3]])
    assert 0.1 < same < 0.6


@pytest.mark.parametrize("start", [0, 1, 7, 22, 23])
def test_a_resumed_epoch_goes_on_where_it_stopped(start: int) -> None:
    rest = list(plan().batches())[start:]
    resumed = list(plan().batches(start))
    assert len(resumed) == len(rest) == 23 - start
    assert all(np.array_equal(a, b) for a, b in zip(rest, resumed, strict=True))
    windows = [row for window in plan().windows(start) for row in window]
    assert windows == [row for batch in rest for row in batch]


def test_too_few_samples_for_a_batch_on_each_rank_are_refused() -> None:
    with pytest.raises(RecipeError, match="7 samples do not fill one batch of 4 on each of 2 workers"):
        plan(np.arange(7), num_ranks=2)


@pytest.mark.parametrize(("batch_size", "start"), [(4, 0), (5, 2), (3, 4)])
def test_the_store_reads_what_was_planned(
    batch_size: int, start: int, store: ShardStore, all_counts: np.ndarray
) -> None:
    one = EpochPlan(store.group_starts, np.arange(1, 22), batch_size, seed=0, epoch=3, shuffle_groups=2)
    read = list(store.iter_plan(one, start))
    planned = list(one.batches(start))
    assert len(read) == len(planned) == one.n_batches - start
    for (rows, counts_ng, total_n), expected in zip(read, planned, strict=True):
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_array_equal(counts_ng, all_counts[expected])
        np.testing.assert_array_equal(total_n, store.obs["total"].to_numpy()[expected])


def test_each_row_group_is_decoded_once_an_epoch(store: ShardStore, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    read_group = store._group
    monkeypatch.setattr(store, "_group", lambda group: decoded.append(group) or read_group(group))
    one = EpochPlan(store.group_starts, np.arange(23), 1, seed=0, epoch=0, shuffle_groups=2)
    assert len(list(store.iter_plan(one))) == 23
    assert sorted(decoded) == list(range(6))
