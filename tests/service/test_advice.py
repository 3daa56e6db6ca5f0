"""What is recommended, in a sentence with the yardstick's own figures."""

import re
from pathlib import Path

import pytest

from service.recipes.advice import recommended, yardstick

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results.md"
ROWS = {
    "linear, guided": "**guided linear** (the product)",
    "linear": "the same learner, no guide",
    "encoder, guided": "encoder, guided",
    "encoder": "encoder, none",
}


@pytest.mark.parametrize("arm", ROWS)
def test_its_figures_are_those_of_the_published_table(arm: str):
    table = RESULTS.read_text().split("| AUROC |")[1]
    row = next(line for line in table.splitlines() if line.startswith(f"| {ROWS[arm]} |"))
    written = [[float(number) for number in re.findall(r"\d\.\d+", cell)] for cell in row.split("|")[2:6]]
    assert yardstick()["auroc"][arm] == written


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 2), (5, 3), (6, 6), (40, 6)])
def test_it_speaks_of_no_more_samples_than_there_are(n: int, k: int):
    said = recommended(n, has_gene_guide=True, has_encoder=False)
    assert said.startswith(f"With {n} samples in the smallest group the guided linear model")
    assert f"learning from {k} " in said


def test_a_guide_is_recommended_only_where_there_is_one():
    assert "guided" not in recommended(6, has_gene_guide=False, has_encoder=False)
    assert "the guided encoder 0.79" in recommended(6, has_gene_guide=True, has_encoder=True)
