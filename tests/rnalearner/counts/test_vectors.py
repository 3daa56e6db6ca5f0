"""Vectors as others publish them, and whose they are."""

import gzip

import numpy as np
import pytest

from rnalearner.checkpoint import save_arrays
from rnalearner.config import DataConfig, Gene2vecConfig
from rnalearner.counts.genes import GeneSet, GeneTable
from rnalearner.counts.vectors import genes_with_vectors, matched, read_vectors
from rnalearner.errors import InputError

A, B, C, D = (f"ENSMUSG{number:011d}" for number in (1, 3, 28, 31))
HUMAN = [f"ENSG{number:011d}" for number in (3, 5, 419, 457)]
TABLE = GeneTable([(A, "Gnai3"), (B, "Pbsn"), (C, "Comt"), (D, "Comt")])


@pytest.mark.parametrize(
    "text",
    [
        f"{A}.4 1 2.5\nPbsn -3 4e-1\n",
        f"2 2\n{A} 1 2.5\nPbsn -3 .4\n",
        f"{A}\t1\t2.5\r\nPbsn\t-3\t0.4\r\n",
        f"{A},1,2.5\nPbsn,-3,0.4\n\n",
    ],
    ids=["spaces", "word2vec", "tabs", "commas"],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_text_is_read_in_every_form(tmp_path, text, packed):
    (tmp_path / "v.txt").write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    found = read_vectors(tmp_path / "v.txt")
    assert found.names == [A, "Pbsn"]
    np.testing.assert_allclose(found.vectors_md, [[1, 2.5], [-3, 0.4]])


def test_an_array_with_names_and_our_own_folder_are_read(tmp_path):
    vectors_md = np.array([[1, 2.5], [-3, 0.4]])
    np.save(tmp_path / "gene2vec_2.npy", vectors_md)
    (tmp_path / "names.txt").write_text(f"{A}.4\nPbsn\n")
    save_arrays(tmp_path / "own", {"vectors_gd": vectors_md.astype(np.float32)}, {"genes": [A, "Pbsn"]})
    for found in (
        read_vectors(tmp_path / "gene2vec_2.npy", tmp_path / "names.txt"),
        read_vectors(tmp_path / "own"),
    ):
        assert found.names == [A, "Pbsn"]
        np.testing.assert_allclose(found.vectors_md, vectors_md, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{A} 1 2\n{B} 1 x\n", rf"line 2 \({B}\) holds something else than numbers"),
        (f"{A} 1 2\n{B} 1\n", rf"line 2 \({B}\) has 1 numbers, not 2"),
        (f"{A} 1 2\n{B} 1 nan\n", f"the vector of {B} is not finite"),
        (f"{A} 1 2\n{A}.7 1 2\n", f"has two vectors of {A}"),
        ("", "is empty"),
        ("\x93\xff\xfe", "is not text|is not UTF-8"),
        (None, "there is no such file"),
    ],
    ids=["word", "short", "nan", "twice", "empty", "binary", "absent"],
)
def test_what_holds_no_vectors_is_refused(tmp_path, text, message):
    if text is not None:
        (tmp_path / "v.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_vectors(tmp_path / "v.txt")


def test_an_array_needs_a_name_a_row_and_never_runs_code(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((3, 2)))
    with pytest.raises(InputError, match=r"v.npy: does not name its rows; give gene2vec.names"):
        read_vectors(tmp_path / "v.npy")
    (tmp_path / "names.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"names.txt: holds 2 names for 3 rows of v.npy"):
        read_vectors(tmp_path / "v.npy", tmp_path / "names.txt")
    np.save(tmp_path / "v.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"cannot be read as .npy"):
        read_vectors(tmp_path / "v.npy", tmp_path / "names.txt")
    np.save(tmp_path / "v.npy", np.ones(3))
    with pytest.raises(InputError, match="with 1 axes, not a table of numbers"):
        read_vectors(tmp_path / "v.npy", tmp_path / "names.txt")


def test_a_folder_without_vectors_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no gene vectors"):
        read_vectors(tmp_path)


def vectors_of(tmp_path, *names: str):
    (tmp_path / "v.txt").write_text("".join(f"{name} {row} 1\n" for row, name in enumerate(names)))
    return read_vectors(tmp_path / "v.txt")


def test_vectors_are_found_by_id_or_symbol_and_what_is_not_one_to_one_is_counted(tmp_path):
    vectors = vectors_of(tmp_path, A, "Gnai3", "Pbsn", "Comt", "unknown")
    found = matched(vectors, [A, B, C], TABLE, None)
    assert found.row_of == {B: 2}
    assert (found.report["n_vectors"], found.report["n_matched"], found.report["n_without_vector"]) == (
        5,
        1,
        2,
    )
    assert (found.report["n_several_vectors"], found.report["several_vectors"]) == (1, [A])


ORTHOLOGS = "\n".join(
    [
        "mouse_ensembl,mouse_symbol,human_ensembl,human_symbol",
        f"{A},Gnai3,{HUMAN[0]},GNAI3",
        f"{B},Pbsn,{HUMAN[1]},PBSN1",
        f"{B},Pbsn,{HUMAN[2]},PBSN2",
        f"{C},Comt,{HUMAN[3]},COMT",
    ]
)


@pytest.mark.parametrize("names", [HUMAN, ["GNAI3", "PBSN1", "PBSN2", "COMT"]], ids=["ids", "symbols"])
def test_orthologs_carry_vectors_over_one_to_one_by_whatever_columns_agree(tmp_path, names):
    (tmp_path / "o.csv").write_text(ORTHOLOGS)
    found = matched(vectors_of(tmp_path, *names), [A, B, C], None, tmp_path / "o.csv")
    assert found.row_of == {A: 0, C: 3}
    assert (found.report["n_not_one_to_one"], found.report["not_one_to_one"]) == (2, names[1:3])
    assert found.report["columns"][0] == "mouse_ensembl" or found.report["columns"][1] == "mouse_ensembl"


def test_two_columns_are_enough_and_versions_do_not_matter(tmp_path):
    (tmp_path / "o.csv").write_text(f"from,to\n{HUMAN[0]}.7,{A}.2\n{HUMAN[1]},{B}\n")
    found = matched(vectors_of(tmp_path, *HUMAN), [A, B], None, tmp_path / "o.csv")
    assert found.row_of == {A: 0, B: 1}


def test_genes_of_another_species_are_refused_with_both_kinds_of_ids(tmp_path):
    message = rf"names human Ensembl ids \({HUMAN[0]}, ...\), they are mouse Ensembl ids \({A}, ...\)"
    with pytest.raises(InputError, match=message + "; give gene2vec.orthologs"):
        matched(vectors_of(tmp_path, *HUMAN), [A, B], None, None)
    (tmp_path / "o.csv").write_text(f"mouse,human\n{A},{HUMAN[0]}\n")
    with pytest.raises(
        InputError, match=r"o.csv: holds none of the names of the vectors, names such as Tp53"
    ):
        matched(vectors_of(tmp_path, "Tp53"), [A, B], None, tmp_path / "o.csv")
    with pytest.raises(InputError, match=r"o.csv: holds none of the genes of this run, mouse"):
        matched(vectors_of(tmp_path, *HUMAN), [C], None, tmp_path / "o.csv")
    (tmp_path / "o.csv").write_text("only\nx\n")
    with pytest.raises(InputError, match="fewer than two columns"):
        matched(vectors_of(tmp_path, *HUMAN), [C], None, tmp_path / "o.csv")


def test_human_symbols_do_not_pass_for_mouse_ones_by_case(tmp_path):
    message = r"names 2 of 2 genes in another case than `data.genes` has \(GNAI3 for one\)"
    with pytest.raises(InputError, match=message):
        matched(vectors_of(tmp_path, "GNAI3", "PBSN"), [A, B, C], TABLE, None)


def test_a_panel_keeps_the_genes_that_have_a_vector(tmp_path):
    vectors_of(tmp_path, "Gnai3", C)
    (tmp_path / "genes.csv").write_text(f"ensembl,symbol\n{A},Gnai3\n")
    data = DataConfig(root=tmp_path, panel_vectors="v.txt", genes="genes.csv")
    kept = genes_with_vectors(GeneSet((A, B, C)), data, Gene2vecConfig())
    assert kept == {A, C}


def test_human_vectors_reach_the_mouse_through_the_real_orthologs(tmp_path, shared_data):
    path = shared_data / "genes" / "mouse_human_one2one.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    vectors = vectors_of(tmp_path, *dict.fromkeys(row[3] for row in rows if row[3]))
    found = matched(vectors, [row[0] for row in rows], None, path)
    assert found.report["columns"] == ["human_symbol", "mouse_ensembl"]
    assert len(found.row_of) + found.report["n_without_vector"] == len(rows)
    assert len(found.row_of) > 0.99 * len(rows)
    assert found.report["n_not_one_to_one"] > 0
