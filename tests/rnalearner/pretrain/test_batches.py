from collections.abc import Callable
from contextlib import closing
from threading import Event

import numpy as np
import pytest
import torch

from rnalearner.errors import RecipeError
from rnalearner.pretrain.batches import PretrainData, prefetched
from rnalearner.pretrain.masking import MaskedBatch

Make = Callable[..., PretrainData]


def inputs(batches: list[MaskedBatch]) -> list[bytes]:
    """Each sample's inputs, sorted: what was seen, whatever the order."""
    return sorted(row.numpy().tobytes() for batch in batches for row in batch.inputs_ng)


def test_validation_masks_are_the_same_at_every_validation_and_on_any_number_of_ranks(make_data: Make):
    data = make_data()
    once = inputs(list(data.validation()))
    assert once == inputs(list(data.validation()))
    assert once == inputs([*data.validation(0, 3), *data.validation(1, 3), *data.validation(2, 3)])


def test_training_masks_differ_between_epochs(make_data: Make):
    data = make_data()
    assert not set(inputs(list(data.training(0, 0)))) & set(inputs(list(data.training(1, 0))))


def test_starting_at_a_batch_gives_the_batches_from_there_on(make_data: Make):
    data = make_data(thinning=0.5)
    everything, later = list(data.training(2, 0)), list(data.training(2, 4))
    assert len(later) == len(everything) - 4
    assert all(torch.equal(a.inputs_ng, b.inputs_ng) for a, b in zip(everything[4:], later, strict=True))


def test_only_training_rows_train_and_only_held_out_rows_are_scored(make_data: Make):
    data = make_data()

    def labels(rows: np.ndarray, batches: list[MaskedBatch]) -> bool:
        """Every masked bin is found in some row of `rows` at its gene."""
        bins_ng = data.store.tokens(rows)
        return all((bins_ng[:, b.gene_m.numpy()] == b.label_m.numpy()).any(0).all() for b in batches)

    assert labels(data.rows_train, list(data.training(0, 0)))
    assert labels(data.rows_valid, list(data.validation()))


def test_the_histogram_agrees_with_counting_one_gene_by_hand(make_data: Make):
    data = make_data()
    bins_n = data.store.tokens(data.rows_train)[:, 10]  # unmeasured in the first study
    expected_b = [(bins_n == b).sum() for b in range(20)]
    assert data.histogram()[10].tolist() == expected_b
    assert sum(expected_b) == 32


def test_thinning_changes_the_inputs_but_its_mean_expression_stays(make_data: Make):
    plain, thinned = make_data(mask_share=1e-6), make_data(mask_share=1e-6, thinning=0.5)
    a = torch.cat([b.inputs_ng for b in plain.training(0, 0)]).float()
    b = torch.cat([b.inputs_ng for b in thinned.training(0, 0)]).float()
    assert not torch.equal(a, b)
    assert abs(a.mean() - b.mean()) < 0.2


def test_threads_make_the_same_batches_in_the_same_order(make_data: Make):
    data = make_data(thinning=0.5)
    plain, ahead = list(data.training(0, 0)), list(prefetched(data.reads(0, 0), data.made, makers=3))
    assert len(plain) == 10
    for a, b in zip(plain, ahead, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


def test_results_come_in_order_though_later_ones_are_made_first():
    second_is_made = Event()

    def make(number: int) -> int:
        if number == 1:
            assert second_is_made.wait(10)
        if number == 2:
            second_is_made.set()
        return number * 10

    assert list(prefetched(iter([1, 2, 3]), make, makers=2)) == [10, 20, 30]


def test_a_slow_consumer_finds_no_more_than_two_results_a_maker_ahead():
    taken = []
    stream = prefetched((taken.append(i) or i for i in range(100)), lambda i: i, makers=2)
    with closing(stream):
        assert [next(stream), next(stream)] == [0, 1]
    assert len(taken) <= 2 + 2 * 2


def test_an_error_while_reading_ahead_reaches_the_caller(make_data: Make):
    data = make_data(batch_size=64)
    with pytest.raises(RecipeError, match="batch_size"):
        next(prefetched(data.reads(0, 0), data.made))


def test_an_error_while_making_reaches_the_caller():
    stream = prefetched(iter([1, 0]), lambda number: 1 / number)
    assert next(stream) == 1
    with pytest.raises(ZeroDivisionError):
        next(stream)
