"""Pieces of a toy job as Ray tasks."""

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cluster.each import ray_tasks
from cluster.local import ray_session
from rnalearner.clustering.pieces import StoredValues, pieces
from rnalearner.clustering.streaming import streamed_components
from rnalearner.config import RaySettings, RunConfig, SimulationConfig
from rnalearner.counts.recount3 import Recount3Source
from rnalearner.counts.simulate import simulate
from rnalearner.each import one_by_one
from rnalearner.errors import ClusterError, LabelError
from rnalearner.shards.build import build_shards
from tests.toy_corpus import write_toy_corpus


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    with ray_session(RaySettings(num_cpus=2, object_store_mb=80)):
        yield


def _times(factor: int, number: int) -> int:
    if number < 0:
        raise LabelError("toy", f"{number} is below 0", "give another")
    time.sleep(0.2 if number == 0 else 0)
    return factor * number


def _die(number: int) -> None:
    os._exit(1)


@pytest.mark.ray
def test_results_come_in_the_order_of_the_items_whoever_ends_first():
    assert list(ray_tasks()(partial(_times, 3), range(8))) == [3 * number for number in range(8)]


@pytest.mark.ray
def test_few_items_are_taken_before_their_results_are_wanted():
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = ray_tasks()(partial(_times, 1), items())
    assert next(results) == 0
    assert len(taken) <= 5


@pytest.mark.ray
def test_the_users_own_error_comes_as_it_is():
    with pytest.raises(LabelError, match="-3 is below 0"):
        list(ray_tasks()(partial(_times, 1), [1, -3, 2]))


@pytest.mark.ray
def test_an_item_that_ray_lost_is_named_with_what_to_do():
    with pytest.raises(ClusterError, match=r"7: was lost \(.*\); run the same command again"):
        list(ray_tasks()(_die, [7]))


@pytest.mark.ray
def test_components_of_a_store_have_the_same_bits_as_without_ray(tmp_path: Path):
    store = write_toy_corpus(tmp_path / "shards", n_studies=40)
    rows = pieces(np.arange(store.n_obs), store.group_starts)
    with_ray, without = (
        streamed_components(
            StoredValues(store), rows, 3, np.random.default_rng(1), each=each, start_rows=50
        ).components
        for each in (ray_tasks(), one_by_one)
    )
    np.testing.assert_array_equal(with_ray.axes_kg, without.axes_kg)
    np.testing.assert_array_equal(with_ray.mean_g, without.mean_g)


@pytest.mark.ray
def test_shards_made_by_ray_tasks_have_the_same_bytes(tmp_path: Path):
    mirror = tmp_path / "mirror"
    simulate(mirror, SimulationConfig(n_genes=60, n_studies=6, samples_per_study=5, task_samples=4))
    fields = {"preprocessing": {"min_expressed_genes": 1}, "shards": {"rows_per_shard": 12}}
    config = RunConfig.model_validate(fields)
    for name, each in (("alone", one_by_one), ("ray", ray_tasks())):
        source, folder = Recount3Source(mirror), tmp_path / name
        build_shards([source], config, folder / "shards", lambda *told: None, folder / "wide", each)
    alone, by_ray = (
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.glob("*/*"))}
        for folder in (tmp_path / "alone", tmp_path / "ray")
    )
    assert len([path for path in alone if path.name.startswith("shard-")]) > 4
    assert by_ray == alone
