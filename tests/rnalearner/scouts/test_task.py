import numpy as np
import pytest

from rnalearner.config import ScoutingConfig
from rnalearner.errors import RecipeError
from rnalearner.scouts.task import ScoutPlan, ScoutTask, make_tasks, split_task


def plan(sizes: dict[int, int], seed: int = 0, **options: object) -> tuple[ScoutPlan, np.ndarray]:
    """Tasks over sample clusters of these sizes; rows begin at 100, so that a row is not its place."""
    labels_n = np.random.default_rng(1).permutation(np.repeat(list(sizes), list(sizes.values())))
    config = ScoutingConfig(**{"strategy": "cluster_pairs", "min_samples": 8} | options)
    studies_n = np.full(len(labels_n), "S")
    rng = np.random.default_rng(seed)
    rows_n = 100 + np.arange(len(labels_n))
    return make_tasks(config, rows_n, labels_n, studies_n, lambda rows: np.zeros((0, 0)), rng), labels_n


def pair_of(task: ScoutTask, labels_n: np.ndarray) -> tuple[int, int]:
    a, b = (set(labels_n[rows - 100]) for rows in (task.rows_a, task.rows_b))
    assert len(a) == len(b) == 1
    return a.pop(), b.pop()


@pytest.mark.parametrize("n_clusters", [2, 3, 4, 7, 30])
@pytest.mark.parametrize("n_scouts", [1, 5, 24, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_every_sample_cluster_scouts_cluster_0_too_and_no_pair_twice(n_clusters, n_scouts, seed):
    found, labels_n = plan(dict.fromkeys(range(n_clusters), 8), seed, n_scouts=n_scouts)
    pairs = [pair_of(task, labels_n) for task in found.tasks]
    assert {cluster for pair in pairs for cluster in pair} == set(range(n_clusters))
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    assert all(a != b for a, b in pairs)
    cover, possible = (n_clusters + 1) // 2, n_clusters * (n_clusters - 1) // 2
    assert len(pairs) == min(max(n_scouts, cover), possible)
    assert [task.scout_id for task in found.tasks] == list(range(len(pairs)))
    assert found.left_out == ()


def test_a_side_holds_its_whole_sample_cluster():
    found, labels_n = plan({0: 9, 1: 11, 2: 8}, n_scouts=3)
    for task in found.tasks:
        for cluster, rows in zip(pair_of(task, labels_n), (task.rows_a, task.rows_b), strict=True):
            assert rows.tolist() == (100 + np.flatnonzero(labels_n == cluster)).tolist()


def test_small_sample_clusters_do_not_scout_and_are_named():
    found, labels_n = plan({0: 8, 1: 7, 2: 20, 3: 2}, n_scouts=10)
    assert {frozenset(pair_of(task, labels_n)) for task in found.tasks} == {frozenset({0, 2})}
    assert [line.split(" did")[0] for line in found.left_out] == ["sample cluster 1", "sample cluster 3"]
    assert "7 samples" in found.left_out[0]


def test_both_sides_are_capped_alike():
    found, _ = plan({0: 100, 1: 30, 2: 9}, n_scouts=3, max_samples=20)
    sizes = {task.name: (len(task.rows_a), len(task.rows_b)) for task in found.tasks}
    assert sizes["sample cluster 0 against 1"] == (10, 10)
    assert sizes["sample cluster 0 against 2"] == (10, 9)
    assert all(len(set(task.rows_a)) == len(task.rows_a) for task in found.tasks)


def test_one_large_sample_cluster_alone_is_refused():
    with pytest.raises(RecipeError, match="1 of 2 sample clusters have 8 samples, two are needed"):
        plan({0: 20, 1: 3})


def test_the_same_seed_gives_the_same_tasks():
    first, second, other = (plan(dict.fromkeys(range(9), 8), seed)[0] for seed in (3, 3, 4))
    assert [t.name for t in first.tasks] == [t.name for t in second.tasks]
    assert [t.name for t in first.tasks] != [t.name for t in other.tasks]


def test_a_split_holds_out_a_share_of_each_side():
    task = ScoutTask(0, "", np.arange(50), np.arange(50, 70))
    rows, y_n, held_rows, held_y = split_task(task, 0.2, np.random.default_rng(0))
    assert sorted([*rows, *held_rows]) == list(range(70))
    assert np.bincount(y_n).tolist() == [40, 16]
    assert np.bincount(held_y).tolist() == [10, 4]
    assert ((rows >= 50) == y_n).all()
    assert ((held_rows >= 50) == held_y).all()


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_split_leaves_something_of_each_side_on_either_part(share):
    task = ScoutTask(0, "", np.arange(2), np.arange(2, 5))
    _, y_n, _, held_y = split_task(task, share, np.random.default_rng(0))
    assert set(y_n) == set(held_y) == {0, 1}


def study_plan(values_ng: np.ndarray, studies_n: np.ndarray, **options: object) -> ScoutPlan:
    config = ScoutingConfig(**{"strategy": "within_study", "min_samples": 6} | options)
    rows_n = 100 + np.arange(len(studies_n))
    return make_tasks(
        config,
        rows_n,
        np.zeros(len(studies_n), int),
        studies_n,
        lambda rows: values_ng[rows - 100],
        np.random.default_rng(0),
    )


def two_groups() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three studies of 10, 12 and 3 samples; half of the samples have every gene higher by 3."""
    rng = np.random.default_rng(5)
    studies_n = np.repeat(["A", "B", "C"], [10, 12, 3])
    high_n = np.concatenate([np.arange(n) % 2 for n in (10, 12, 3)])
    study_level = np.repeat([0.0, 50.0, -20.0], [10, 12, 3])
    values_ng = study_level[:, None] + 3 * high_n[:, None] + 0.3 * rng.standard_normal((25, 40))
    return values_ng.astype(np.float32), studies_n, high_n


def test_within_a_study_the_first_component_finds_its_two_groups():
    values_ng, studies_n, high_n = two_groups()
    found = study_plan(values_ng, studies_n, n_scouts=2)
    assert sorted(task.name for task in found.tasks) == ["A, component 1", "B, component 1"]
    for task in found.tasks:
        sides = [set(high_n[rows - 100]) for rows in (task.rows_a, task.rows_b)]
        assert sorted(map(sorted, sides)) == [[0], [1]]
        assert len({*studies_n[task.rows_a - 100], *studies_n[task.rows_b - 100]}) == 1
    assert found.left_out == ("study C did not scout: 3 samples, fewer than 6",)


def test_studies_take_turns_through_three_components_and_each_has_one():
    values_ng, studies_n, _ = two_groups()
    assert len(study_plan(values_ng, studies_n, n_scouts=1).tasks) == 2
    found = study_plan(values_ng, studies_n, n_scouts=7)
    components = [task.name.split(" ")[-1] for task in found.tasks]
    assert components == ["1", "1", "2", "2", "3", "3", "1"]
    for task in found.tasks:
        assert abs(len(task.rows_a) - len(task.rows_b)) <= 1
        assert not set(task.rows_a) & set(task.rows_b)


def test_unmeasured_genes_and_constant_genes_do_not_scout():
    values_ng, studies_n, high_n = two_groups()
    values_ng[0, :20] = np.nan
    values_ng[:, 20:25] = 7
    found = study_plan(values_ng, studies_n, n_scouts=2)
    for task in found.tasks:
        assert len(set(high_n[task.rows_a - 100])) == 1


def test_a_study_without_varying_genes_is_named():
    values_ng, studies_n, _ = two_groups()
    values_ng[studies_n == "A"] = 4
    found = study_plan(values_ng, studies_n, n_scouts=2)
    assert {task.name.split(",")[0] for task in found.tasks} == {"B"}
    assert "study A did not scout: no two genes vary in it" in found.left_out


def test_no_study_of_the_size_is_refused():
    values_ng, studies_n, _ = two_groups()
    with pytest.raises(RecipeError, match="none of 3 studies has 50 samples"):
        study_plan(values_ng, studies_n, min_samples=50)
