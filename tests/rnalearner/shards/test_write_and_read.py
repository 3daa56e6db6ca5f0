import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rnalearner.config import PreprocessingConfig, ShardConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.errors import CheckpointError, CountsError
from rnalearner.shards import read
from rnalearner.shards.read import ShardStore
from rnalearner.shards.write import ShardWriter

GENES = GeneSet(("a", "b"))
OBS = pd.DataFrame(
    {
        "sample": ["s1", "s2"],
        "study": "SRP1",
        "modality": "bulk",
        "subject": "m",
        "tissue": "",
        "total": [10.0, 20.0],
        "n_expressed": [2, 1],
    }
)
COUNTS = np.array([[3, 7], [20, 0]], np.float32)


def write_two(folder: Path, counts_ng: np.ndarray = COUNTS, *obs: pd.DataFrame) -> ShardStore:
    with ShardWriter(folder, GENES, PreprocessingConfig(), ShardConfig()) as writer:
        for frame in obs or (OBS,):
            writer.add(counts_ng, frame)
    return ShardStore.open(folder)


def test_counts_come_back_bit_for_bit_in_the_order_asked(store: ShardStore, all_counts: np.ndarray) -> None:
    assert [shard.n_obs for shard in store.manifest.shards] == [8, 8, 7]
    assert store.group_starts.tolist() == [0, 4, 8, 12, 16, 20, 23]
    rows = np.array([22, 0, 7, 7, 15, 3])
    counts_ng, total_n = store.counts(rows)
    np.testing.assert_array_equal(counts_ng, all_counts[rows])
    np.testing.assert_array_equal(total_n, np.nansum(all_counts[rows], axis=1) + 10)
    assert store.obs["sample"][22] == "SRP3-10"
    assert store.obs["subject"][9] == "SRP2-m0"
    store.verify()


def test_tokens_keep_not_measured_apart_from_zero(store: ShardStore) -> None:
    tokens_ng = store.tokens(np.array([0]))
    assert tokens_ng[0, 0] == 0
    assert tokens_ng[0, 4] == store.vocabulary.pad
    # By hand: sample 0 has counts 0 1 2 3 and total 16, so gene 3 has log2(1 + 187,500) = 17.5.
    assert tokens_ng[0, 3] == 17
    assert store.values(np.array([0]))[0, 3] == pytest.approx(17.5165, abs=1e-3)
    assert np.isnan(store.values(np.array([0]))[0, 4])


def test_rows_are_iterated_in_batches(store: ShardStore, all_counts: np.ndarray) -> None:
    parts = list(store.iter_rows(np.arange(2, 21), batch_size=6))
    assert [len(rows) for rows, _, _ in parts] == [6, 6, 6, 1]
    np.testing.assert_array_equal(np.concatenate([c for _, c, _ in parts]), all_counts[2:21])


def test_only_a_few_row_groups_are_ever_held(store: ShardStore) -> None:
    store.counts(np.arange(store.n_obs))
    assert len(store._cache) == read.CACHED_GROUPS < len(store.group_starts) - 1


def test_counts_lie_in_row_groups_without_null_flags(write_store: Callable[..., Path]) -> None:
    file = pq.ParquetFile(write_store() / "shard-00002.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 3]
    assert str(file.schema_arrow.field("counts").type) == "fixed_size_list<element: float not null>[5]"


def test_writing_twice_gives_the_same_bytes(write_store: Callable[..., Path]) -> None:
    first, second = write_store("first"), write_store("second")
    names = sorted(path.name for path in first.iterdir())
    assert names == [
        "genes.txt",
        "manifest-00001.json",
        "obs-00001.parquet",
        *(f"shard-0000{i}.parquet" for i in range(3)),
    ]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_an_open_store_travels_to_another_process(store: ShardStore, all_counts: np.ndarray) -> None:
    there = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(there.counts(np.array([5]))[0], all_counts[[5]])


def test_row_groups_larger_than_a_shard_are_cut(write_store: Callable[..., Path]) -> None:
    store = ShardStore.open(write_store(config=ShardConfig(rows_per_shard=3, rows_per_group=100)))
    assert set(np.diff(store.group_starts)) == {3, 2}
    assert len(store.manifest.shards) == 8


def test_columns_that_only_some_studies_have_are_filled(tmp_path: Path) -> None:
    second = OBS.assign(study="SRP2", label=["FLT", "GC"], age=[3, 4], kept=True).drop(columns="sample")
    second.index = pd.Index(["s1", "s2"])
    obs = write_two(tmp_path / "s", COUNTS, OBS.assign(sex=["F", None], age=7.5), second).obs
    assert obs["label"].tolist() == ["", "", "FLT", "GC"]
    assert obs["sex"].tolist() == ["F", "", "", ""]
    assert obs["age"].tolist() == [7.5, 7.5, 3, 4]
    assert obs["kept"].tolist() == ["", "", "True", "True"]
    assert obs["sample"].tolist() == ["s1", "s2", "s1", "s2"]
    assert obs["total"].dtype == np.float64
    assert obs["n_expressed"].dtype == np.int64


@pytest.mark.parametrize(
    ("counts_ng", "obs", "says"),
    [
        (COUNTS, OBS.assign(sample="s1"), "sample s1 is given twice"),
        (COUNTS, OBS.drop(columns=["tissue", "total"]), "without tissue, total"),
        (COUNTS, OBS.drop(columns="sample"), "without sample"),
        (COUNTS, OBS.assign(total=[10.0, 0.0]), "sample s2 has total 0.0"),
        (-COUNTS, OBS, "gene a has count -3.0"),
        (np.where(COUNTS == 0, np.inf, COUNTS), OBS, "SRP1, sample s2: gene b has count inf"),
        (np.full((2, 2), np.nan, np.float32), OBS, "none of its genes is in the gene set"),
        (COUNTS[:, :1], OBS, "align the counts"),
    ],
    ids=["twice", "columns", "unnamed", "total", "negative", "infinite", "unmeasured", "shape"],
)
def test_samples_that_cannot_be_used_are_named(
    counts_ng: np.ndarray, obs: pd.DataFrame, says: str, tmp_path: Path
) -> None:
    with pytest.raises(CountsError, match=says):
        write_two(tmp_path / "s", counts_ng, obs)
    assert list(tmp_path.iterdir()) == []  # nothing half-written stays behind


def test_a_store_without_samples_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(CountsError, match="no sample was kept"),
        ShardWriter(tmp_path / "s", GENES, PreprocessingConfig(), ShardConfig()),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_failed_rewrite_leaves_the_old_store(tmp_path: Path) -> None:
    write_two(tmp_path / "s")
    with pytest.raises(CountsError):
        write_two(tmp_path / "s", -COUNTS)
    ShardStore.open(tmp_path / "s").verify()
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_rows_outside_of_the_store_are_refused(store: ShardStore) -> None:
    with pytest.raises(IndexError, match=r"0\.\.22"):
        store.counts(np.array([23]))
    with pytest.raises(IndexError):
        store.counts(np.array([-1]))


def test_every_flipped_bit_is_found_before_a_count_is_used(write_store: Callable[..., Path]) -> None:
    folder = write_store()
    rng = np.random.default_rng(0)
    names = [
        "manifest-00001.json",
        "obs-00001.parquet",
        "genes.txt",
        *(f"shard-0000{i}.parquet" for i in range(3)),
    ]
    for _ in range(200):
        path = folder / names[rng.integers(len(names))]
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match=path.name):
            ShardStore.open(folder).counts(np.arange(23))
        path.write_bytes(whole)
    ShardStore.open(folder).counts(np.arange(23))


@pytest.mark.parametrize("entry", ["n_bins", "gene_set", "n_obs", "schema_version"])
def test_a_manifest_changed_by_hand_is_refused(entry: str, write_store: Callable[..., Path]) -> None:
    path = write_store() / "manifest-00001.json"
    before, after = path.read_text().split(f'"{entry}": ', 1)
    path.write_text(f'{before}"{entry}": {after.replace("2", "3", 1).replace("1", "4", 1)}')
    with pytest.raises(CheckpointError, match=r"manifest-00001\.json"):
        ShardStore.open(path.parent)


def test_a_missing_or_shortened_shard_is_named_at_opening(write_store: Callable[..., Path]) -> None:
    folder = write_store()
    shard = folder / "shard-00001.parquet"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"shard-00001\.parquet: has"):
        ShardStore.open(folder)
    shard.unlink()
    with pytest.raises(CheckpointError, match=r"shard-00001\.parquet: .*missing"):
        ShardStore.open(folder)


def test_a_folder_without_shards_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="rnalearner ingest"):
        ShardStore.open(tmp_path)


def test_damage_is_found_by_verify_also_after_reading(store: ShardStore) -> None:
    again = copy.copy(store)
    shard = store.folder / "shard-00000.parquet"
    content = bytearray(shard.read_bytes())
    content[10] ^= 1
    shard.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"shard-00000\.parquet"):
        again.verify()
