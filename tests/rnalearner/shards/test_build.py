from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from rnalearner.config import RunConfig
from rnalearner.counts.genes import GeneSet
from rnalearner.counts.source import WholeStudies
from rnalearner.errors import CountsError, GeneError
from rnalearner.shards.build import StudyReport, build_shards
from rnalearner.shards.corpus import corpus_rows
from rnalearner.shards.manifest import versions
from rnalearner.shards.read import ShardStore

TASK = {"name": "flight", "train": "T", "validation": "T", "test": "T"}


@dataclass
class Tables(WholeStudies):
    """A source whose studies are written down here."""

    samples: dict[str, AnnData]
    role: str = "corpus"

    def studies(self) -> list[str]:
        return list(self.samples)

    def read(self, study: str) -> AnnData:
        return self.samples[study]

    def files(self, study: str) -> list[Path]:
        return []


def study(
    name: str, genes: Sequence[str], rows: list[list[float]], modality: str = "bulk", **columns: Any
) -> AnnData:
    """Counts of genes, mostly called by letters; totals are a million, so that a count is its CPM."""
    counts_ng = np.array(rows, dtype=np.float32)
    fields = {"study": name, "modality": modality, "subject": "", "tissue": "", "total": 1e6, **columns}
    obs = pd.DataFrame(fields, index=pd.Index([f"{name}{i}" for i in range(len(rows))], name="sample"))
    obs["n_expressed"] = (counts_ng > 0).sum(1)
    return AnnData(obs=obs, var=pd.DataFrame(index=list(genes)), layers={"counts": counts_ng})


@pytest.fixture
def build(tmp_path: Path):
    """Build shards of these studies; fields of the recipe by section."""

    def run(*sources: Tables, **sections: Any) -> tuple[GeneSet, list[StudyReport], ShardStore]:
        fields = {"preprocessing": {"min_expressed_genes": 1}, "tasks": [TASK], **sections}
        config = RunConfig.model_validate(fields)
        genes, reports = build_shards(sources, config, tmp_path / "shards", lambda done, total, study: None)
        return genes, reports, ShardStore.open(tmp_path / "shards")

    return run


def test_the_corpus_alone_chooses_the_genes(build):
    """c is loud in the task, in single cells and in the user's table only."""
    quiet, loud = [[5, 5, 0]], [[0, 5, 9e5]]
    genes, reports, store = build(
        Tables({"A": study("A", "abc", quiet), "S": study("S", "abc", loud, "single-cell")}),
        Tables({"T": study("T", "abc", loud)}),
        Tables({"U": study("U", "abc", loud)}, role="task"),
    )
    assert genes.ids == ("a", "b")
    assert [(report["study"], report["role"]) for report in reports] == [
        ("A", "corpus"),
        ("S", "corpus"),
        ("T", "corpus"),
        ("U", "task"),
    ]
    np.testing.assert_array_equal(store.counts(np.arange(4))[0], [[5, 5], [0, 5], [0, 5], [0, 5]])


def test_without_a_corpus_the_tables_choose_together(build):
    genes, _, _ = build(Tables({"T": study("T", "ab", [[5, 0]])}, role="task"))
    assert genes.ids == ("a",)


def test_a_panel_file_wins_and_gives_the_order(build, tmp_path: Path):
    a, b, c = (f"ENSMUSG{number:011d}" for number in (1, 2, 3))
    (tmp_path / "panel.txt").write_text(f"{c}\n{a}\n{b}\n")
    data = {"root": tmp_path, "panel": "panel.txt"}
    genes, _, store = build(Tables({"A": study("A", [a, b], [[5, 7]])}), data=data)
    assert genes.ids == (c, a, b)
    np.testing.assert_array_equal(store.counts(np.arange(1))[0], [[np.nan, 5, 7]])


def test_a_study_that_measures_less_than_half_of_the_panel_is_refused(build, tmp_path: Path):
    half = Tables({"A": study("A", "abcd", [[5] * 4] * 9), "B": study("B", "abx", [[5] * 3])})
    genes, reports, _ = build(half)
    assert (len(genes), reports[1]["panel_genes_measured"]) == (4, 2)
    less = Tables({"A": study("A", "abcd", [[5] * 4] * 9), "T": study("T", "axyz", [[5] * 4])})
    (tmp_path / "shards").rename(tmp_path / "older")
    with pytest.raises(GeneError, match="study T: measures 1 of the panel's 4 genes; check species"):
        build(less)
    assert versions(tmp_path / "shards") == []


def test_dropped_samples_are_reported_with_their_reasons(build):
    rows = [[5, 5, 5], [5, 0, 0], [5, 5, 0]]
    _, (report,), store = build(
        Tables({"A": study("A", "abc", rows)}), preprocessing={"min_expressed_genes": 2}
    )
    assert (report["n_samples"], report["n_kept"]) == (3, 2)
    assert report["dropped"] == [{"sample": "A1", "reason": "expresses 1 genes, fewer than 2"}]
    assert store.obs["sample"].tolist() == ["A0", "A2"]


def test_a_study_may_lose_every_sample_but_not_all_studies_may(build, tmp_path: Path):
    rich, poor = study("A", "ab", [[5, 5]]), study("B", "ab", [[5, 0]])
    strict = {"min_expressed_genes": 2}
    _, reports, store = build(Tables({"A": rich, "B": poor}), preprocessing=strict)
    assert [report["n_kept"] for report in reports] == [1, 0]
    assert store.obs["study"].tolist() == ["A"]
    (tmp_path / "shards").rename(tmp_path / "older")
    with pytest.raises(CountsError, match=r"B0 of B expresses 1 genes.*min_expressed_genes"):
        build(Tables({"B": poor}), preprocessing=strict)
    assert versions(tmp_path / "shards") == []


def test_what_may_teach_is_found_again_in_the_store(build):
    a = study("A", "ab", [[5, 5], [6, 6]], subject=["m1", "m2"])
    single = study("S", "ab", [[7, 7]], "single-cell")
    task = study("T", "ab", [[8, 8]], subject=["m2"])
    _, _, store = build(Tables({"A": a, "S": single, "T": task}))
    corpus = corpus_rows(store.obs, [RunConfig.model_validate({"tasks": [TASK]}).tasks[0]])
    assert store.obs.loc[corpus.rows, "sample"].tolist() == ["A0"]
    assert corpus.left_out.keys() == {"A", "S", "T"}


def test_progress_counts_the_studies(tmp_path: Path):
    seen = []
    sources = [Tables({"A": study("A", "ab", [[5, 5]]), "B": study("B", "ab", [[5, 5]])})]
    config = RunConfig.model_validate({"preprocessing": {"min_expressed_genes": 1}})
    build_shards(sources, config, tmp_path / "s", lambda done, total, study: seen.append((done, total)))
    assert seen == [(0, 2), (1, 2), (2, 2), (0, 2), (1, 2), (2, 2)]
