"""Bombs are refused by what they declare, or while they unpack; tables that only pack well are not."""

import gzip
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnalearner.counts import bounds
from rnalearner.counts.hdf5 import refuse_foreign
from rnalearner.counts.opening import first_lines, open_text
from rnalearner.counts.parquet import read_parquet
from rnalearner.counts.text import read_text
from rnalearner.errors import CountsError

MIB = 2**20


def test_the_rule_has_a_grace_a_ratio_and_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "most_bytes", lambda: 1000 * MIB)
    bounds.refuse_bomb(tmp_path, bounds.GRACE, 1)
    bounds.refuse_bomb(tmp_path, 200 * MIB, MIB)
    with pytest.raises(CountsError, match="more than 200 times"):
        bounds.refuse_bomb(tmp_path, 200 * MIB + 1, MIB)
    with pytest.raises(CountsError, match=r"declares 1\.0 GiB, more than is read here"):
        bounds.refuse_bomb(tmp_path, 1000 * MIB + 1, 900 * MIB)


def test_a_gzip_bomb_stops_where_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(b"0," * MIB) * 60)
    with open_text(path) as file:
        assert len(file.read(bounds.GRACE - MIB)) == bounds.GRACE - MIB
        with pytest.raises(CountsError, match="more than 200 times"):
            file.read(2 * MIB)


def test_a_packed_table_of_lines_without_end_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    path, line = tmp_path / "lines.csv", b"ENSMUSG00000000001,0,0\n"
    packed = gzip.compress(line * 100_000)
    path.write_bytes(gzip.compress(b"gene,S1,S2\n") + 25 * packed)
    with pytest.raises(CountsError, match=r"unpacks to more than 2,000,000 lines"):
        read_text(path, None)
    with open_text(path) as file:  # an annotation has more
        assert sum(1 for _ in file) == 2_500_001


@pytest.mark.parametrize("inside", [b"", b"1"])
def test_a_gzip_file_of_pieces_that_hold_nothing_is_refused(tmp_path: Path, inside: bytes) -> None:
    path = tmp_path / "pieces"
    path.write_bytes(gzip.compress(b"gene,S1\n") + gzip.compress(inside) * 150_000)
    with pytest.raises(CountsError, match="pieces that hold next to nothing"), open_text(path) as file:
        file.read()


def test_numbers_that_do_not_pack_are_read(tmp_path: Path) -> None:
    path, noise = tmp_path / "noise", np.random.default_rng(0).bytes(3 * MIB)
    path.write_bytes(b"".join(gzip.compress(noise[at : at + 1000]) for at in range(0, len(noise), 1000)))
    with open_text(path) as file:
        assert file.read() == noise


def test_a_table_of_zeros_may_pack_well(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    path.write_bytes(gzip.compress(b"0," * 4 * MIB))
    with open_text(path) as file:
        assert len(file.read()) == 8 * MIB


def test_a_line_without_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "line"
    path.write_bytes(gzip.compress(b"1" * (MIB)) * 65)
    with pytest.raises(CountsError, match="has a line of more than 64 MiB"):
        first_lines(path)


def test_a_parquet_bomb_is_refused_by_its_rows_and_columns(tmp_path: Path) -> None:
    table = pa.table({"gene": ["g"] * 5 * MIB, "S1": np.zeros(5 * MIB), "S2": np.zeros(5 * MIB)})
    pq.write_table(table, tmp_path / "bomb")
    assert (tmp_path / "bomb").stat().st_size < MIB // 4
    with pytest.raises(CountsError, match="more than 200 times"):
        read_parquet(tmp_path / "bomb", None)


def test_hdf5_arrays_are_added_up(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "many", "w") as file:
        for number in range(9):
            file.create_dataset(f"a{number}", 8 * MIB, "u1", chunks=(MIB,), compression="gzip")[:] = 0
    with pytest.raises(CountsError, match="more than 200 times"):
        refuse_foreign(tmp_path / "many")


def test_hdf5_of_too_many_groups_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "many", "w", libver="latest") as file:
        for number in range(10_001):
            file.create_group(str(number))
    with pytest.raises(CountsError, match="holds more than 10000 groups"):
        refuse_foreign(tmp_path / "many")


def test_hdf5_of_a_wide_attribute_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "wide", "w", libver="latest") as file:
        file.create_group("obs").attrs["column-order"] = np.full(MIB // 8, b"abcdefgh", "S8")
        file.attrs["empty"] = h5py.Empty("f8")
        file.attrs["none"] = np.array([], dtype=object).astype("S1")
    refuse_foreign(tmp_path / "wide")
    with h5py.File(tmp_path / "wide", "a", libver="latest") as file:
        file["obs"].attrs["column-order"] = np.full(2 * MIB // 8, b"abcdefgh", "S8")
    with pytest.raises(CountsError, match="holds an attribute of 2 MiB at /obs"):
        refuse_foreign(tmp_path / "wide")
