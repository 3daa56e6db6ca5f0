"""`rnalearner annotation`."""

import json


def gene(name: str, symbol: str, feature: str = "gene", more: str = "") -> str:
    return f'chr1\tx\t{feature}\t1\t9\t.\t+\t.\tgene_id "{name}"; gene_name "{symbol}"; {more}\n'


def test_a_gtf_becomes_a_table_of_genes_and_one_of_transcripts(cli, tmp_path):
    text = gene("ENSMUSG00000000001.4", "Gnai3") + gene("ENSMUSG00000000003.1", "Comt")
    text += gene("ENSMUSG00000000028.1", "Comt")
    (tmp_path / "a.gtf").write_text(text)
    done = cli("annotation", "a.gtf", "--out", "made/genes.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 genes: made/genes.csv" in done.stdout
    assert "1 symbols name several genes, which only their ids can tell apart (first: Comt)." in done.stdout
    assert "names no transcript" in done.stdout
    more = gene("ENSMUSG00000000001.4", "Gnai3", "transcript", 'transcript_id "ENSMUST00000000001.4";')
    (tmp_path / "a.gtf").write_text(text + more)
    told = json.loads(cli("annotation", "a.gtf", "--out", "made/genes.csv", "--json", cwd=tmp_path).stdout)
    assert told["files"] == ["made/genes.csv", "made/genes.transcripts.csv"]
    assert (told["n_genes"], told["n_transcripts"]) == (3, 1)
    assert (tmp_path / "made" / "genes.transcripts.csv").read_text() == (
        "transcript,ensembl\nENSMUST00000000001,ENSMUSG00000000001\n"
    )


def test_what_is_no_annotation_ends_with_one_sentence(cli, tmp_path):
    (tmp_path / "a.gtf").write_text("hello\n")
    done = cli("annotation", "a.gtf", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.strip().splitlines()[-1].endswith("give a GTF, plain or gzipped.")
    assert not (tmp_path / "genes.csv").exists()
