import threading
import time

import pytest

from rnalearner.each import one_by_one, threads


def test_results_come_in_the_order_of_the_items_whoever_ends_first():
    def slow_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return 10 * number

    expected = [10 * number for number in range(20)]
    assert list(one_by_one(slow_first, range(20))) == expected
    assert list(threads(4)(slow_first, range(20))) == expected


def test_items_are_worked_on_side_by_side():
    both = threading.Barrier(2, timeout=10)
    assert len(list(threads(2)(lambda _: both.wait(), range(2)))) == 2


def test_few_items_are_taken_before_their_results_are_wanted():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = threads(2)(str, items())
    assert next(results) == "0"
    assert len(taken) <= 5
    results.close()
    assert len(taken) <= 5


def test_an_error_comes_as_it_is_and_ends_the_rest():
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        time.sleep(0.005)
        return number

    with pytest.raises(ValueError, match="three"):
        list(threads(2)(work, range(1000)))
    assert len(begun) < 20


def test_no_threads_are_refused():
    with pytest.raises(ValueError, match="n_threads is 0"):
        threads(0)
