"""Ray tasks of toys: numbers that are doubled, refused, or never begun."""

import time
from collections.abc import Iterator

import pytest
import ray

from cluster.in_flight import completed
from cluster.local import ray_session
from rnalearner.config import RaySettings
from rnalearner.errors import ClusterError, LabelError

AGAIN = "try again"


@pytest.fixture(scope="module")
def session() -> Iterator[None]:
    with ray_session(RaySettings(num_cpus=2, object_store_mb=80)):
        yield


def _double(number: int) -> int:
    if number < 0:
        raise LabelError("toy", f"{number} is below 0", "give another")
    return 2 * number


def _die(number: int) -> int:
    import os

    os._exit(1)


@pytest.mark.ray
def test_all_jobs_come_back_with_their_results_and_few_are_in_flight(session: None):
    remote, flying, most = ray.remote(_double), set(), []

    def submit(number: int) -> "ray.ObjectRef":
        flying.add(number)
        most.append(len(flying))
        return remote.remote(number)

    found = {}
    for number, doubled in completed(range(8), submit, 2, AGAIN):
        flying.discard(number)
        found[number] = doubled
    assert found == {number: 2 * number for number in range(8)}
    assert max(most) == 2


@pytest.mark.ray
def test_the_users_own_error_comes_as_it_is(session: None):
    remote = ray.remote(_double)
    with pytest.raises(LabelError, match="-3 is below 0"):
        list(completed([1, -3, 2], remote.remote, 2, AGAIN))


@pytest.mark.ray
def test_a_job_that_ray_lost_is_named_with_what_to_do(session: None):
    remote = ray.remote(max_retries=0)(_die)
    with pytest.raises(ClusterError, match=r"7: was lost \(.*\); try again"):
        list(completed([7], remote.remote, 1, AGAIN))


@pytest.mark.ray
def test_after_the_deadline_nothing_begins_and_what_flies_comes_to_its_end(session: None):
    remote = ray.remote(_double)
    assert list(completed([1, 2], remote.remote, 1, AGAIN, time.monotonic() - 1)) == []
    late = time.monotonic() + 0.2

    def slow(number: int) -> "ray.ObjectRef":
        return remote.options(num_cpus=1).remote(number)

    begun = []
    for number, _ in completed(range(1000), slow, 1, AGAIN, late):
        begun.append(number)
        time.sleep(0.1)
    assert 1 <= len(begun) < 10
