import re

import numpy as np
import pandas as pd
import pytest

from rnalearner.errors import InputError
from rnalearner.report.inputs import read_tables
from rnalearner.report.page import write_report
from rnalearner.report.vectors_section import sets_figure, vectors_section


def said(page: str) -> str:
    part = page[page.index('<section id="vectors">') :]
    text = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", part[: part.index("</section>")], flags=re.DOTALL)
    return re.sub(r"\s+", " ", text).replace(" ,", ",").replace(" .", ".")


@pytest.fixture
def sets() -> pd.DataFrame:
    """Ten sets that the vectors know better by 0.1 each than the axes do; one is called NA."""
    values_s = np.linspace(0.46, 0.91, 10)
    table = pd.DataFrame({"set": ["NA", "<b>", *(f"s{i}" for i in range(8))], "genes": range(5, 15)})
    return table.assign(vectors=values_s, random=0.5, axes=values_s - 0.1)


def test_the_page_says_how_close_members_lie_and_what_the_rivals_do(run_folder, config, sets):
    run_folder.vector_sets.parent.mkdir(parents=True)
    sets.to_csv(run_folder.vector_sets, index=False)
    page = write_report(run_folder, config).read_text()
    text = said(page)
    for what in (
        "Over 10 sets of five or more genes",
        "In 90 % of the sets",
        "+0.100 [+0.100, +0.100] over the",
    ):
        assert what in text, what
    assert re.search(r"gene vectors have an AUROC of 0.685 \[0.5\d\d, 0.7\d\d\], principal axes 0.585", text)
    assert re.search(r"random vectors 0.500 \[0.500, 0.500\]", text)
    assert text.index("s7 14 0.910 0.810 0.500") < text.index("s6 13 0.860")
    assert 'aria-label="How often two members of a gene set lie closer' in page


def test_covariance_vectors_have_no_rival_in_themselves(run_folder, config, sets):
    run_folder.vector_sets.parent.mkdir(parents=True)
    sets.drop(columns="axes").to_csv(run_folder.vector_sets, index=False)
    text = said(write_report(run_folder, config).read_text())
    assert "0.685" in text
    assert "principal axes" not in text


def test_without_a_table_or_a_set_the_section_says_so(run_folder, config, sets):
    assert "names no table of gene sets" in said(write_report(run_folder, config).read_text())
    run_folder.vector_sets.parent.mkdir(parents=True)
    sets[:0].to_csv(run_folder.vector_sets, index=False)
    assert "no set of the table has five genes" in said(write_report(run_folder, config).read_text())


def test_a_set_may_be_called_na_and_a_damaged_table_is_named(run_folder, sets):
    run_folder.vector_sets.parent.mkdir(parents=True)
    sets.to_csv(run_folder.vector_sets, index=False)
    table = read_tables(run_folder).vector_sets
    assert table["set"].tolist() == sets["set"].tolist()
    assert vectors_section(table)["top"][0]["set"] == "s7"
    sets.drop(columns="vectors").to_csv(run_folder.vector_sets, index=False)
    with pytest.raises(InputError, match=r"sets.csv: lacks the column 'vectors'"):
        read_tables(run_folder)


def test_the_same_table_is_drawn_alike(sets):
    first, second = (sets_figure(sets).axes[0].collections[0].get_offsets() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert len(first) == len(sets)
