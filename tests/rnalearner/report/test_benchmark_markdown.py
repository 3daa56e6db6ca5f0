from rnalearner.layout import BenchmarkLayout
from rnalearner.report.benchmark_markdown import benchmark_markdown
from tests.rnalearner.report.toy_benchmark import toy_summary


def rows(text: str, title: str) -> list[list[str]]:
    """Cells of the table under a title, its header and rule first."""
    block = text.split(f"### {title}\n\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]


def test_every_arm_has_its_number_and_interval_of_the_summary():
    summary = toy_summary()
    table = rows(benchmark_markdown(summary), "AUROC")
    assert table[0] == ["arm", "centred", *(f"k = {k}" for k in summary["ks"])]
    assert set(table[1]) == {"---"}
    first = next(row for row in summary["arms"] if row["arm"] == "guided")
    written = next(row for row in table if row[0] == "guided")
    bounds = first["auroc"]
    cell = written[2 + summary["ks"].index(first["k"])]
    assert cell == f"{bounds['mean']:.3f} [{bounds['low']:.3f}, {bounds['high']:.3f}]"


def test_no_row_is_shorter_than_its_header():
    text = benchmark_markdown(toy_summary())
    for title in ("AUROC", "Brier score", "Difference in AUROC", "AUROC by task"):
        table = rows(text, title)
        assert len(table) > 2
        assert {len(row) for row in table} == {len(table[0])}


def test_a_score_that_an_arm_has_not_is_a_dash():
    table = rows(benchmark_markdown(toy_summary()), "Brier score")
    assert any("–" in row for row in table)


def test_nothing_scored_leaves_what_can_be_said():
    empty = {"verdict": ["Nothing can be said yet."], "arms": []}
    assert benchmark_markdown(empty) == "- Nothing can be said yet.\n"


def test_it_stands_beside_the_report(tmp_path):
    assert BenchmarkLayout(tmp_path).tables == tmp_path / "tables.md"
