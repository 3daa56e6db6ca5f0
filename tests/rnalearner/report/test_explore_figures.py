import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rnalearner.report.explore_figures import (
    draw_choice_of_k,
    draw_pair_plot,
    draw_sample_clusters,
    drawn_rows,
    group_colours,
)

BLUE, ORANGE, GREY = (0, 114, 178), (213, 94, 0), (184, 184, 184)


def pixels_of(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def colours_of(path):
    """Every colour of a picture, with how many pixels have it."""
    pixels = pixels_of(path).reshape(-1, 3)
    found, counts = np.unique(pixels, axis=0, return_counts=True)
    return dict(zip(map(tuple, found.tolist()), counts.tolist(), strict=True))


def near(colours, wanted):
    """Pixels of about this colour (channels are rounded)."""
    return sum(n for colour, n in colours.items() if np.abs(np.subtract(colour, wanted)).max() < 12)


@pytest.mark.parametrize(
    ("n_samples", "n_genes", "expected"),
    [
        (50, 10, 50),
        (1000, 10, 200),
        (2000, 10, 200),
        (3000, 10, 300),
        (205_297, 10, 2500),
        (205_297, 15_000, 838),
        (205_297, 2**26, 3),
    ],
    ids=["all of few", "at least 200", "both alike", "a tenth", "at most 2500", "48 MB", "three at least"],
)
def test_a_tenth_of_the_samples_is_drawn(n_samples, n_genes, expected):
    rows = drawn_rows(np.zeros(n_samples), n_genes, 0.1, np.random.default_rng(0))
    assert len(set(rows.tolist())) == expected
    assert rows.max() < n_samples
    assert (np.diff(rows) > 0).all()


def test_the_largest_groups_have_their_own_colours_and_the_rest_share_grey():
    groups = [f"s{i}" for i in range(15) for _ in range(20 - i)]
    colours = group_colours(groups)
    assert list(colours)[:3] == ["s0", "s1", "s2"]
    assert list(colours)[-1] == "6 others"
    assert len(set(colours.values())) == len(colours) == 10


def test_pair_plots_show_both_modalities_and_stay_small(tmp_path):
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {"modality": ["bulk"] * 150 + ["single-cell"] * 50, "study": [f"S{i % 12}" for i in range(200)]}
    )
    scores_nk = rng.normal(size=(200, 10)) + 4 * (obs[["modality"]] == "bulk").to_numpy()
    folder = tmp_path / "figures"
    paths = [draw_pair_plot(1e6 * scores_nk, scores_nk, obs, c, folder) for c in ("modality", "study")]
    assert [path.name for path in paths] == ["pca_by_modality.png", "pca_by_study.png"]
    vectors = [path.with_suffix(".svg").read_text() for path in paths]
    assert all(text.count("<image") >= 1 and text.count("<use") < 500 for text in vectors)
    assert all(path.stat().st_size < 300_000 for path in paths)
    by_modality, by_study = map(colours_of, paths)
    assert near(by_modality, BLUE) > 100
    assert near(by_modality, ORANGE) > 100
    assert near(by_study, GREY) > 100
    found = {path.name for path in folder.iterdir()}
    assert found == {path.with_suffix(end).name for path in paths for end in (".png", ".svg")}


def test_every_named_study_keeps_its_own_colour_in_the_picture(tmp_path):
    obs = pd.DataFrame({"modality": ["bulk"] * 200, "study": [f"S{i % 20:02d}" for i in range(200)]})
    scores_nk = np.random.default_rng(0).normal(size=(200, 10))
    path = draw_pair_plot(scores_nk, scores_nk, obs, "study", tmp_path)
    colours = colours_of(path)
    for colour in group_colours(obs["study"]).values():
        assert near(colours, tuple(bytes.fromhex(colour[1:]))) > 20


def test_the_two_halves_show_the_two_sets_of_scores(tmp_path):
    obs = pd.DataFrame({"modality": ["bulk"] * 60, "study": ["S"] * 60})
    spread_nk = np.random.default_rng(0).normal(size=(60, 4))
    point_nk = np.zeros((60, 4))  # a component without spread is drawn all the same
    path = draw_pair_plot(spread_nk, point_nk, obs, "modality", tmp_path)
    blue = np.abs(pixels_of(path).astype(int) - BLUE).max(axis=2) < 90
    middle = blue.shape[1] // 2
    assert blue[:, :middle].sum() > 1.5 * blue[:, middle:].sum()


def test_few_components_and_few_samples_are_drawn(tmp_path):
    obs = pd.DataFrame({"modality": ["bulk"] * 3, "study": list("ABC")})
    scores_nk = np.random.default_rng(0).normal(size=(3, 2))
    assert draw_pair_plot(scores_nk, scores_nk, obs, "study", tmp_path).exists()


def test_a_map_of_sample_clusters_for_every_k(tmp_path):
    rng = np.random.default_rng(0)
    positions_n2 = rng.normal(size=(80, 2))
    clusters = {k: np.arange(80) % k for k in (2, 5, 15, 40)}
    (path,) = draw_sample_clusters(positions_n2, clusters, tmp_path / "clusters.png", chosen=5)
    assert 5_000 < path.stat().st_size < 300_000
    (single,) = draw_sample_clusters(positions_n2, {2: clusters[2]}, tmp_path / "single.png")
    assert pixels_of(single).shape[1] < pixels_of(path).shape[1]


def test_a_sample_cluster_without_samples_here_is_left_out_of_the_map(tmp_path):
    labels_n = np.repeat([0, 2], 10)
    (path,) = draw_sample_clusters(
        np.random.default_rng(0).normal(size=(20, 2)), {3: labels_n}, tmp_path / "c.png"
    )
    assert path.exists()


def test_the_choice_of_k_is_drawn_even_where_some_numbers_are_missing(tmp_path):
    numbers = {"k": [2, 5], "silhouette": [0.4, np.nan], "stability": [0.9, np.nan]}
    choice = pd.DataFrame(numbers | {"stability_low": [0.8, np.nan], "stability_high": [1.0, np.nan]})
    path = draw_choice_of_k(choice, tmp_path / "k_choice.png", chosen=5)
    colours = colours_of(path)
    assert near(colours, BLUE) > 20
    assert near(colours, ORANGE) > 20  # the K that is used
