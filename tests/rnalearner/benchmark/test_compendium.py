import numpy as np
import pandas as pd
import pytest

from rnalearner.benchmark.compendium import Compendium
from rnalearner.errors import CountsError, LabelError, RecipeError
from tests.toy_compendium import GENES, groups, write_compendium, write_counts


def table(**samples):
    return pd.DataFrame(samples, index=GENES[:2])


def test_cpm_divides_by_the_whole_file_and_follows_the_sheet(tmp_path):
    write_compendium(tmp_path, {"one": (["x", "y"], ["a", "b"])})
    write_counts(tmp_path, "one", table(unlisted=[1, 1], **{"one-1": [30, 10], "one-0": [1, 3]}))
    counts = Compendium([tmp_path]).counts("one")
    assert counts.samples == ("one-0", "one-1")
    np.testing.assert_allclose(counts.cpm(GENES[:1]), [[0.25e6], [0.75e6]])


def test_studies_of_several_folders_are_one_compendium(tmp_path):
    write_compendium(tmp_path / "a", {"one": groups(2, "a")})
    write_compendium(tmp_path / "b", {"one": groups(2, "a"), "two": groups(3, "b")})
    compendium = Compendium([tmp_path / "a", tmp_path / "b"])
    assert compendium.studies == ("one", "two")
    assert len(compendium.samples) == 10
    assert compendium.studies_of(tmp_path / "b") == ("two",)
    assert compendium.path("two") == tmp_path / "b" / "two.tsv.gz"


def test_a_sample_without_a_subject_is_refused(tmp_path):
    write_compendium(tmp_path, {"one": (["x", "y"], ["a", ""])})
    with pytest.raises(LabelError, match="sample one-1 of one has no subject"):
        Compendium([tmp_path])


def test_a_study_that_is_nowhere_is_refused(compendium):
    with pytest.raises(RecipeError, match=r"holds no study three; choose from one, two"):
        compendium.counts("three")


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (table(**{"one-0": [1, 2]}), r"lacks samples of its sheet.*one-1"),
        (table(**{"one-0": [1, -2], "one-1": [1, 2]}), "is negative"),
        (table(**{"one-0": [1, None], "one-1": [1, 2]}), r"is missing \(NaN\)"),
        (table(**{"one-0": ["1", "two"], "one-1": [1, 2]}), "cannot be read"),
        (table(**{"one-0": [1, 2], "one-1": [1, 2]}).set_axis([GENES[0]] * 2), "twice"),
    ],
    ids=["a sample is missing", "negative", "a hole", "words", "a gene twice"],
)
def test_a_table_that_is_not_counts_of_the_samples_is_refused(tmp_path, counts, told):
    write_compendium(tmp_path, {"one": (["x", "y"], ["a", "b"])})
    write_counts(tmp_path, "one", counts)
    with pytest.raises(CountsError, match=told):
        Compendium([tmp_path]).counts("one")


def test_a_damaged_file_is_told(tmp_path):
    write_compendium(tmp_path, {"one": groups(2, "a")})
    path = tmp_path / "one.tsv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CountsError, match="ends too early"):
        Compendium([tmp_path]).counts("one")
