"""What names of genes are, where they are neither Ensembl ids nor symbols."""

import numpy as np
import pandas as pd
import pytest

from rnalearner.counts.other_names import dates, kind_of_names
from rnalearner.counts.read import read_counts
from rnalearner.errors import CountsError

SYMBOLS = ["Gnai3", "Marchf1", "Sept7", "Dec1", "H2-Q1", "mt-Nd1", "1700001C02Rik", "4930402H24Rik", "May1"]


@pytest.mark.parametrize(
    "turned",
    [
        "1-Mar",
        "01-Mrz",
        "1. Dez",
        "Mar-01",
        "SEP-2",
        "2021-03-01",
        "2021-03-01 00:00:00",
        "3/1/2021",
        "43891",
    ],
)
def test_a_date_among_symbols_is_one_that_a_spreadsheet_made(turned):
    assert dates([*SYMBOLS * 3, turned], 28) == [turned]


def test_no_symbol_is_a_date_and_no_number_among_numbers():
    assert dates(SYMBOLS, len(SYMBOLS)) == []
    assert dates(["43891", "43892", "14679"], 3) == []


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["1415670_at", "1415671_x_at", "AFFX-BioB-3"], "Affymetrix"),
        (["ILMN_1212607", "ILMN_1212612"], "Illumina"),
        (["A_51_P100034", "A_55_P2025271"], "Agilent"),
        (["14679", "54192"], "Entrez"),
        (["NM_010306.3", "XM_006501"], "RefSeq"),
        (["ENSMUSP00000000001", "ENSMUSP00000000028"], "Ensembl proteins"),
    ],
)
def test_identifiers_of_other_kinds_are_known_by_their_look(names, kind):
    told = kind_of_names([*names, "Gnai3"])
    assert told is not None
    assert kind in told[0]


def test_symbols_and_ids_of_other_animals_are_of_no_other_kind():
    assert kind_of_names(SYMBOLS) is None
    assert kind_of_names(["FBgn0000003", "FBgn0000008"]) is None


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_expected_counts_of_a_small_library_are_no_thousands(tmp_path, digits):
    """RSEM rounds to two digits; Salmon's, of three and more, do not all stay above 1."""
    rng = np.random.default_rng(2)
    ids = [f"ENSMUSG{number:011d}" for number in range(1, 201)]
    values = rng.gamma(0.5, 200, (200, 3)).clip(0, 900).round(digits)
    pd.DataFrame(values, index=ids, columns=["S1", "S2", "S3"]).to_csv(tmp_path / "t.csv")
    assert read_counts(tmp_path / "t.csv").uns["read_report"]["fractional"]
    thousands = np.where(values.round() < 1000, values.round() + 1.234, 7)
    pd.DataFrame(thousands, index=ids, columns=["S1", "S2", "S3"]).to_csv(tmp_path / "t.csv")
    with pytest.raises(CountsError, match="dots as separators of thousands"):
        read_counts(tmp_path / "t.csv")
