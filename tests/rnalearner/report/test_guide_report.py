import re

import numpy as np
import pandas as pd
import pytest
import torch

from rnalearner.config import RunConfig
from rnalearner.errors import GeneError
from rnalearner.guide.scaling import Guide
from rnalearner.layout import RunLayout
from rnalearner.report import guide_figures as draw
from rnalearner.report.guide_section import by_chance, gene_symbols, guide_section
from rnalearner.report.inputs import GUIDE_TABLES, RunTables, read_tables
from rnalearner.report.page import write_report
from rnalearner.report.tables import scouts_table
from tests.rnalearner.report.conftest import GENES, write_learner
from tests.rnalearner.report.toy_guide import AGREEMENTS, NORM, QUERIES, RUN, write_guide

FIGURES = ("How far each version of the guide agrees", "How far scouts moved each tensor", "How freely each")


@pytest.fixture
def guided_run(run_folder, scouts) -> RunLayout:
    """A run that has scouted: three scouts of its table, of which one is left out."""
    write_guide(run_folder)
    why = ["", "", "left out: 0.6 of the scouts were waited for"]
    scouts.assign(in_guide=[True, True, False], failed=why).to_csv(run_folder.scouts, index=False)
    return run_folder


def section(page: str) -> str:
    return page[page.index('<section id="scouts">') : page.index('<section id="data">')]


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace(" ,", ",").replace(" :", ":")


def test_the_page_tells_where_a_guide_comes_from_and_what_moved(guided_run, config):
    write_learner(guided_run)
    page = section(write_report(guided_run, config).read_text())
    said = words(page)
    for what in (
        "3 scouts; 1 converged, 0 failed, 1 was left out; 2 are in the guide.",
        "cluster 0 against 1 40 10 3 100 % 0.100 0.25 10 % yes converged",
        "– no left out: 0.6 of the scouts were waited for",
        f"Version 4 of the guide, whose parent is {'0' * 12}: 4 scouts of run {RUN[:12]},",
        f"all from base checkpoint {'b' * 12} . Strategy cluster pairs, seed 3;",
        "measure squared, scouts weighed evenly, scaled per tensor.",
        "“agreement” is 1 where all scouts moved alike, 0.25 where each went its own way.",
        "block 1, attention 2 1 33 % 1.00",
        "final norm 2 1.41 67 % 0.50",
        "ENSMUSG00000000001 Gnai3 3 3.0",
        "ENSMUSG00000000028 1 1.0",
        "ENSMUSG00000000003 NA 0 0.0",
    ):
        assert what in said, what
    assert [f'aria-label="{name}' in page for name in FIGURES] == [True] * 3
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)


def test_a_run_without_the_tables_looks_as_it_did(run_folder, config):
    Guide({"norm.weight": torch.tensor([0.0, 1.0])}, {}).save(run_folder.guide)
    page = section(write_report(run_folder, config).read_text())
    assert [f'aria-label="{name}' in page for name in FIGURES] == [False, False, True]
    assert page.count("<table>") == 1
    for absent in ("in the guide", "Where the guide comes from", "left out", "By layer"):
        assert absent not in words(page), absent


@pytest.mark.parametrize("table", GUIDE_TABLES)
def test_any_one_table_of_the_guide_may_be_missing(guided_run, config, table):
    guided_run.guide_table(table).unlink()
    said = words(section(write_report(guided_run, config).read_text()))
    shown = {
        "versions": "Every scout that joins makes a new version",
        "tensors": "What moved, how far and how alike",
        "layers": "By layer.",
        "genes": "The genes on which the scouts' heads moved furthest",
        "members": "Where the guide comes from",
    }
    assert {name for name, what in shown.items() if what not in said} == {table}


def test_a_run_id_of_digits_stays_text(guided_run):
    tables = read_tables(guided_run)
    assert set(tables.guide_members["run"]) == {RUN}
    assert tables.guide_versions["sha256"].tolist() == [f"{number:064d}" for number in range(1, 5)]


def test_a_straggler_is_left_out_and_has_not_failed(scouts):
    why = ["not needed: the guide had converged", "", "ValueError: left out: no"]
    table = scouts_table(scouts.assign(failed=why)).set_index("scout_id")
    assert table["left_out"].to_dict() == {0: True, 1: False, 2: False}


def test_the_curve_stands_at_the_distances_of_the_agreements_from_one():
    versions = pd.DataFrame({"scouts": [1, 2, 3, 4], "agreement": AGREEMENTS})
    axis = draw.versions_figure(versions, 0.999).axes[0]
    curve, enough, less, stop = axis.lines
    assert curve.get_xdata().tolist() == [2, 3, 4]
    np.testing.assert_allclose(curve.get_ydata(), [0.5, 0.0009, 0.0005])
    assert (enough.get_xdata().tolist(), less.get_xdata().tolist()) == ([3, 4], [2])
    np.testing.assert_allclose(stop.get_ydata(), 0.001)
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # better is higher
    assert [label.get_text() for label in axis.get_yticklabels()][:4] == ["0", "0.9", "0.99", "0.999"]


def test_a_recipe_that_never_stops_has_no_line_and_agreements_of_any_size_are_drawn():
    versions = pd.DataFrame({"scouts": [1, 2, 3], "agreement": [np.nan, -0.5, 1.0]})
    axis = draw.versions_figure(versions, 1.0).axes[0]
    assert len(axis.lines) == 3
    low, high = axis.get_ylim()
    assert low > 1.5
    assert high < draw.CLOSEST


def test_one_version_has_nothing_to_agree_with():
    versions = pd.DataFrame({"version": [1], "scouts": [1], "agreement": [np.nan], "sha256": ["a"]})
    assert guide_section(None, RunTables(guide_versions=versions), 0.999, {})["versions"] is None


def test_bars_stand_at_the_movement_and_dots_at_the_agreement(guided_run):
    tensors = read_tables(guided_run).guide_tensors
    assert tensors["tensor"].tolist() == [QUERIES, NORM]  # from the embedding up
    far, alike = draw.movement_figure(tensors, 0.25).axes
    assert [bar.get_width() for bar in far.patches] == pytest.approx([1, 2**0.5])
    dots = [line.get_xdata()[0] for line in alike.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([1, 0.5])
    assert alike.lines[-1].get_xdata() == [0.25, 0.25]
    assert [label.get_text() for label in far.get_yticklabels()] == [
        "block 1, attention",
        "to_q.weight",
        "final norm",
        "weight",
    ]


def test_the_tensors_that_hold_most_of_the_movement_are_drawn():
    n = 50
    tensors = pd.DataFrame({"layer": "one", "tensor": [f"t{i}" for i in range(n)], "moved": 1.0})
    tensors = tensors.assign(share=np.arange(n) / 1225, agreement=0.5)
    far, alike = draw.movement_figure(tensors, None).axes
    assert [label.get_text() for label in far.get_yticklabels()] == ["one", *(f"t{i}" for i in range(10, n))]
    assert len(alike.lines) == 80  # a stem and a dot each


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 1, 1, 1], 1 / 4), ([3, 1], 10 / 16), ([1, 0, 1], 1 / 2), ([1], None), ([0, 0], None)],
    ids=["alike", "one weighs more", "one weighs nothing", "one scout", "none weighs anything"],
)
def test_scouts_with_nothing_in_common_agree_by_chance(weights, expected):
    assert by_chance(pd.DataFrame({"weight": weights})) == expected


@pytest.mark.parametrize(
    ("tensor", "shown"),
    [
        ("performer.net.layers.11.1.fn.fn.w1.bias", "w1.bias"),
        ("performer.net.layers.0.0.norm.weight", "norm.weight"),
        ("bin_embedding.weight", "weight"),
        ("extra_d", "extra_d"),
    ],
)
def test_a_tensor_is_named_within_its_layer(tensor, shown):
    assert draw.within_layer(tensor) == shown


def test_symbols_come_from_the_linear_models_and_from_the_table_of_genes(guided_run, tmp_path):
    config = RunConfig.model_validate({"data": {"root": tmp_path, "genes": "symbols.csv"}})
    assert gene_symbols(read_tables(guided_run), config) == {}  # neither is there
    (tmp_path / "symbols.csv").write_text(f"ensembl,symbol\n{GENES[0]},Other\n{GENES[2]},Cdc45\n")
    assert gene_symbols(read_tables(guided_run), config) == {GENES[0]: "Other", GENES[2]: "Cdc45"}
    write_learner(guided_run)
    expected = {GENES[0]: "Gnai3", GENES[1]: "NA", GENES[2]: "Cdc45"}
    assert gene_symbols(read_tables(guided_run), config) == expected
    (tmp_path / "symbols.csv").write_text("a,b\n")
    with pytest.raises(GeneError, match="lacks a column"):
        gene_symbols(read_tables(guided_run), config)
