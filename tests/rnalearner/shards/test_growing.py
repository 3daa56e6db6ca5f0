"""Shards that are made in pieces, go on after an interruption, and grow."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from rnalearner.config import RunConfig
from rnalearner.counts.source import WholeStudies
from rnalearner.each import one_by_one, threads
from rnalearner.errors import CountsError, UnusableStudyError
from rnalearner.shards.build import build_shards, grow_shards
from rnalearner.shards.manifest import versions
from rnalearner.shards.obs import MOST_COLUMNS, OTHERS, frequent_columns, joined_obs, with_columns
from rnalearner.shards.plan import Piece, plan_pieces
from rnalearner.shards.read import ShardStore

GENES = [f"ENSMUSG{g:011d}" for g in range(6)]
CONFIG = RunConfig.model_validate(
    {
        "preprocessing": {"min_expressed_genes": 1},
        "shards": {"rows_per_shard": 8, "rows_per_group": 3},
        "data": {"panel_min_cpm": 0.0},
    }
)


@dataclass
class Studies(WholeStudies):
    """Studies of known sizes, each with one file; counts depend on the study's name alone."""

    folder: Path
    sizes: dict[str, int]
    role: str = "corpus"
    read_names: list[str] = field(default_factory=list)
    fails_at: str = ""
    unusable: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        for study in self.sizes:
            if not (self.folder / study).exists():
                (self.folder / study).write_text("first")

    def studies(self) -> list[str]:
        return list(self.sizes)

    def n_samples(self, study: str) -> int:
        return self.sizes[study]

    def files(self, study: str) -> list[Path]:
        return [self.folder / study]

    def read(self, study: str) -> AnnData:
        if study == self.fails_at:
            raise CountsError(study, "is on fire", "wait")
        if study == self.unusable:
            raise UnusableStudyError(study, "has no length", "leave it out")
        self.read_names.append(study)
        rng = np.random.default_rng([*study.encode()])
        counts_ng = rng.integers(1, 100, (self.sizes[study], 6)).astype(np.float32)
        fields = {"study": study, "modality": "bulk", "subject": "", "tissue": "", "total": 1e6}
        obs = pd.DataFrame(fields, index=[f"{study}-{i}" for i in range(len(counts_ng))])
        obs["n_expressed"] = 6
        obs[f"said_by_{study}"] = "yes"
        return AnnData(obs=obs, var=pd.DataFrame(index=GENES), layers={"counts": counts_ng})

    def blocks(self, study: str) -> Iterator[AnnData]:
        whole = self.read(study)
        for start in range(0, whole.n_obs, 4):
            yield whole[start : start + 4]


SIZES = {"A": 5, "B": 3, "C": 11, "D": 1, "E": 4}


@pytest.fixture
def sources(tmp_path: Path) -> Studies:
    return Studies(tmp_path / "files", dict(SIZES))


def built(source: Studies, folder: Path, each=one_by_one, wide: bool = True) -> ShardStore:
    wide_folder = folder / "wide" if wide else None
    build_shards([source], CONFIG, folder / "shards", lambda *told: None, wide_folder, each)
    return ShardStore.open(folder / "shards")


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_studies_are_packed_into_pieces_and_never_cut():
    assert plan_pieces(SIZES.items(), 8, first_number=3) == [
        Piece(3, ("A", "B")),
        Piece(4, ("C",)),
        Piece(5, ("D", "E")),
    ]
    assert plan_pieces([("unknown", 0), ("too", 0)], 8) == [Piece(0, ("unknown", "too"))]
    assert plan_pieces([], 8) == []


def test_a_shard_a_piece_and_every_sample_in_its_place(sources, tmp_path):
    store = built(sources, tmp_path)
    assert [shard.n_obs for shard in store.manifest.shards] == [8, 11, 5]
    assert [shard.group_rows for shard in store.manifest.shards] == [(3, 3, 2), (3, 3, 3, 2), (3, 2)]
    assert store.obs["sample"].tolist() == [f"{s}-{i}" for s, n in SIZES.items() for i in range(n)]
    whole = np.concatenate([sources.read(study).layers["counts"] for study in SIZES])
    np.testing.assert_array_equal(store.counts(np.arange(24))[0], whole)
    assert not (tmp_path / "pieces").exists()


def test_side_by_side_gives_the_same_bytes(sources, tmp_path):
    built(sources, tmp_path / "one")
    built(sources, tmp_path / "two", threads(3))
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_what_an_interrupted_ingestion_had_done_is_not_done_again(sources, tmp_path):
    built(sources, tmp_path / "whole")
    sources.fails_at = "D"
    with pytest.raises(CountsError, match="on fire"):
        built(sources, tmp_path / "again")
    assert versions(tmp_path / "again" / "shards") == []
    sources.fails_at = ""
    sources.read_names.clear()
    built(sources, tmp_path / "again")
    # The genes of A to C had been measured; then all of them were to be written.
    assert sources.read_names == ["D", "E", *SIZES]
    assert bytes_of(tmp_path / "again") == bytes_of(tmp_path / "whole")


def test_a_killed_second_pass_goes_on_with_the_next_shard(sources, tmp_path, monkeypatch):
    from rnalearner.shards import build

    write = build.write_piece

    def dies_at_the_last(piece, **named):
        if piece.number == 2:
            raise KeyboardInterrupt
        return write(piece, **named)

    monkeypatch.setattr(build, "write_piece", dies_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        built(sources, tmp_path)
    monkeypatch.setattr(build, "write_piece", write)
    sources.read_names.clear()
    built(sources, tmp_path)
    assert sources.read_names == ["D", "E"]


def test_progress_counts_studies_whatever_was_done_before(sources, tmp_path):
    def build(each) -> list[tuple[int, int]]:
        seen = []
        told = lambda done, total, study: seen.append((done, total))  # noqa: E731
        build_shards([sources], CONFIG, tmp_path / "shards", told, None, each)
        return seen

    sources.fails_at = "E"
    with pytest.raises(CountsError):
        build(threads(2))
    sources.fails_at = ""
    assert build(one_by_one) == [(3, 5), (4, 5), (5, 5), *((done, 5) for done in range(6))]


def test_a_file_that_changed_meanwhile_is_read_again(sources, tmp_path):
    sources.fails_at = "E"
    with pytest.raises(CountsError):
        built(sources, tmp_path)
    (sources.folder / "A").write_text("another text")
    sources.fails_at = ""
    sources.read_names.clear()
    built(sources, tmp_path)
    assert sources.read_names == ["A", "B", "D", "E", *SIZES]


def test_a_study_that_cannot_be_used_is_left_out_by_name(sources, tmp_path):
    sources.unusable = "C"
    _, reports = build_shards([sources], CONFIG, tmp_path / "shards", lambda *told: None)
    assert {r["study"]: r["left_out"] for r in reports if "left_out" in r} == {"C": "C: has no length"}
    assert set(ShardStore.open(tmp_path / "shards").obs["study"]) == {"A", "B", "D", "E"}


def test_a_store_that_grows_keeps_every_byte_it_had(sources, tmp_path):
    whole = Studies(tmp_path / "files", dict(SIZES))
    sources.sizes = {"A": 5, "C": 11}
    built(sources, tmp_path)
    before = bytes_of(tmp_path)
    shards, wide = tmp_path / "shards", tmp_path / "wide"
    manifest, reports = grow_shards([whole], CONFIG, shards, lambda *told: None, (), wide)
    assert [report["study"] for report in reports] == ["B", "D", "E"]
    after = bytes_of(tmp_path)
    assert all(after[name] == content for name, content in before.items() if not name.startswith("pieces"))
    assert versions(shards) == versions(wide) == [1, 2]
    store = ShardStore.open(shards)
    assert store.obs["study"].unique().tolist() == ["A", "C", "B", "D", "E"]
    expected = np.concatenate([whole.read(study).layers["counts"] for study in ("A", "C", "B", "D", "E")])
    np.testing.assert_array_equal(store.counts(np.arange(24))[0], expected)
    assert store.obs["said_by_E"].tolist() == [""] * 20 + ["yes"] * 4
    assert ShardStore.open(shards, version=1).n_obs == 16
    assert manifest.parent == ShardStore.open(shards, version=1).manifest.checksum


def test_growing_by_nothing_changes_nothing(sources, tmp_path):
    built(sources, tmp_path)
    before = bytes_of(tmp_path)
    manifest, reports = grow_shards(
        [sources], CONFIG, tmp_path / "shards", lambda *t: None, (), tmp_path / "wide"
    )
    assert (manifest.version, reports, bytes_of(tmp_path)) == (1, [], before)


def test_growth_that_reached_only_one_of_two_folders_is_done_again(sources, tmp_path):
    whole = Studies(tmp_path / "files", dict(SIZES))
    sources.sizes = {"A": 5}
    built(sources, tmp_path)
    shards, wide = tmp_path / "shards", tmp_path / "wide"
    grow_shards([whole], CONFIG, shards, lambda *told: None, (), wide)
    complete = bytes_of(tmp_path)
    (wide / "manifest-00002.json").unlink()
    grow_shards([whole], CONFIG, shards, lambda *told: None, (), wide)
    assert bytes_of(tmp_path) == complete


def test_rare_attributes_share_one_column():
    of_all = {"common": ["x"] * 3, "total": 1.0, "n_expressed": 1}
    frames = [pd.DataFrame({**of_all, f"rare{i}": ["a", "", "b"]}) for i in range(MOST_COLUMNS + 5)]
    kept = frequent_columns(frames, {"rare9"})
    # All rare ones are as rare; those that stay are the first by name, and the one that a task asks for.
    assert {"common", "rare9", "rare0"} <= kept
    assert "rare8" not in kept
    folded = joined_obs([with_columns(frame, kept) for frame in frames])
    assert folded[OTHERS].tolist()[3 * 8 : 3 * 8 + 3] == ["rare8;;a", "", "rare8;;b"]
    assert "rare8" not in folded
