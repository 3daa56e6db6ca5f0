"""Own files of every kind through `ingest` and `gene2vec`: Salmon, a GTF, human vectors."""

import json
from pathlib import Path

import numpy as np
import pytest

from jobs.phase import completed, fingerprint
from jobs.run import PIPELINE, run_verb
from rnalearner.config import RunConfig
from rnalearner.errors import GeneError
from rnalearner.layout import RunLayout
from rnalearner.model.gene2vec import GeneVectors
from rnalearner.shards.read import ShardStore

GENES = [f"ENSMUSG{number:011d}" for number in range(1, 21)]
HUMAN = [f"HUM{number}" for number in range(1, 21)]
SAMPLES = [f"mouse{number}" for number in range(1, 5)]


def say_nothing(label, done, total, note="", figures=None):
    pass


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Two transcripts a gene, four mice of whom one is called otherwise in the sheet, 12 human vectors."""
    rng = np.random.default_rng(0)
    gtf, header = [], "Name\tLength\tEffectiveLength\tTPM\tNumReads\n"
    for number, gene in enumerate(GENES):
        about = f'gene_id "{gene}.1"; gene_name "Gene{number}";'
        gtf.append(f"chr1\tx\tgene\t1\t9\t.\t+\t.\t{about}\n")
        for copy in range(2):
            more = f'{about} transcript_id "ENSMUST{2 * number + copy:011d}.1";'
            gtf.append(f"chr1\tx\ttranscript\t1\t9\t.\t+\t.\t{more}\n")
    (tmp_path / "a.gtf").write_text("".join(gtf))
    for sample in SAMPLES:
        (tmp_path / "quants" / sample).mkdir(parents=True)
        rows = [f"ENSMUST{t:011d}.1\t9\t7\t1\t{rng.integers(50, 900)}\n" for t in range(2 * len(GENES))]
        (tmp_path / "quants" / sample / "quant.sf").write_text(header + "".join(rows))
    labels = [f"{sample},{group}" for sample, group in zip(["Mouse1", *SAMPLES[1:]], "abab", strict=True)]
    (tmp_path / "sheet.csv").write_text("\n".join(["sample,group", *labels]) + "\n")
    vectors = "".join(f"{name} {rng.normal()} {rng.normal()} 1 2\n" for name in HUMAN[:12])
    (tmp_path / "human.txt").write_text(vectors)
    pairs = [f"{gene},{name}" for gene, name in zip(GENES, [*HUMAN[:10], HUMAN[0], *HUMAN[11:]], strict=True)]
    (tmp_path / "orthologs.csv").write_text("\n".join(["mouse,human", *pairs]) + "\n")
    data = {"source": "tables", "root": tmp_path, "genes": "a.gtf", "panel_min_cpm": 0}
    table = {"study": "own", "path": "quants", "sheet": "sheet.csv"}
    fields = {
        "data": data | {"tables": [table]},
        "model": {"dim": 4},
        "gene2vec": {"path": tmp_path / "human.txt", "orthologs": tmp_path / "orthologs.csv"},
        "preprocessing": {"min_expressed_genes": 1},
    }
    return RunConfig.model_validate(fields)


def test_human_vectors_reach_genes_that_salmon_counted(config: RunConfig, tmp_path: Path) -> None:
    layout = RunLayout(tmp_path / "run")
    run_verb("ingest", config, layout, say_nothing)
    (study,) = json.loads(layout.ingest_report.read_text())["studies"]
    assert (study["n_samples"], study["read"]["id_type"], study["read"]["n_summed"]) == (4, "transcript", 20)
    assert study["read"]["sheet"]["near"] == ["mouse1 is perhaps Mouse1 (other case)"]
    figures = run_verb("gene2vec", config, layout, say_nothing)["gene2vec"]["figures"]
    # Of 12 human genes one has two mouse genes, and one has none here.
    assert (figures["vectors"], figures["matched"], figures["not_one_to_one"]) == (12, 10, 1)
    assert figures["without_vector"] == figures["genes_without_partner"] == 10
    assert GeneVectors.load(layout.gene_vectors).n_unknown == 10


def test_a_panel_of_genes_with_vectors_depends_on_the_orthologs(config: RunConfig, tmp_path: Path) -> None:
    layout = RunLayout(tmp_path / "run")
    asked = config.data.model_copy(update={"panel_vectors": Path("human.txt")})
    limited = config.model_copy(update={"data": asked})
    run_verb("ingest", limited, layout, say_nothing)
    assert ShardStore.open(layout.shards).gene_set.ids == (*GENES[1:10], GENES[11])
    vectors = limited.gene2vec.model_copy(update={"orthologs": None})
    without = limited.model_copy(update={"gene2vec": vectors})
    ingest = PIPELINE["ingest"]
    assert fingerprint(ingest, PIPELINE, without) != fingerprint(ingest, PIPELINE, limited)
    with pytest.raises(GeneError, match=r"names such as HUM1, HUM2, HUM3, they are mouse Ensembl ids"):
        run_verb("ingest", without, RunLayout(tmp_path / "other"), say_nothing)


def test_a_samples_file_that_was_mended_is_read_again(config: RunConfig, tmp_path: Path) -> None:
    layout = RunLayout(tmp_path / "run")
    run_verb("ingest", config, layout, say_nothing)
    assert completed(PIPELINE["ingest"], PIPELINE, config, layout) is not None
    path = tmp_path / "quants" / "mouse2" / "quant.sf"
    path.write_text(path.read_text().replace("\t9\t7\t1\t", "\t9\t7\t1\t1"))
    assert completed(PIPELINE["ingest"], PIPELINE, config, layout) is None
