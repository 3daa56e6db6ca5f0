import numpy as np
import pytest

from rnalearner.config import GenesConfig
from rnalearner.errors import RecipeError
from rnalearner.guide.learn_genes import learn_gene_guide
from tests.toy_samples import toy_genes, toy_samples

N_GENES, MODULE = 400, 60
STUDIES = np.repeat(["A", "B", "C"], 14)


def corpus(planted: float = 1.0, seed: int = 0) -> np.ndarray:
    """Three studies of 14: the first 60 genes follow one factor inside each study, the others nothing.

    The next 60 tell the studies apart and nothing else. All are expressed.
    """
    rng = np.random.default_rng(seed)
    values_ng = 6 + 0.5 * rng.standard_normal((42, N_GENES))
    values_ng[:, :MODULE] += planted * rng.standard_normal((42, 1)) * rng.uniform(0.5, 1, MODULE)
    values_ng[:, MODULE : 2 * MODULE] += np.repeat([0.0, 2.0, -2.0], 14)[:, None]
    return values_ng.astype(np.float32)


def learnt(values_ng: np.ndarray, strategy: str = "within_study", average: str = "geometric", **told: object):
    samples = toy_samples(values_ng, STUDIES, **told)
    options = {"strategy": strategy, "average": average, "sets": "sets.csv"}
    return learn_gene_guide(samples, GenesConfig.model_validate(options))


@pytest.mark.parametrize("average", ["arithmetic", "geometric"])
def test_a_factor_inside_studies_is_found_and_differences_between_studies_are_not(average):
    guide = learnt(corpus(), average=average)
    assert guide.guide_g.mean() == pytest.approx(1)
    module, between, rest = np.split(guide.guide_g, [MODULE, 2 * MODULE])
    assert module.mean() > 2.5 * rest.mean()
    assert np.median(module) > np.quantile(rest, 0.95)
    assert between.mean() == pytest.approx(rest.mean(), rel=0.15)


def test_between_sample_clusters_it_is_the_other_way_round():
    values_ng = corpus()
    guide = learnt(values_ng, "cluster_pairs", clusters=np.unique(STUDIES, return_inverse=True)[1])
    module, between, rest = np.split(guide.guide_g, [MODULE, 2 * MODULE])
    assert between.mean() > 5 * rest.mean()
    assert module.mean() < 2 * rest.mean()


def test_noise_makes_a_flat_guide_that_says_nothing_of_other_noise():
    first, second = (learnt(corpus(0.0, seed)) for seed in (1, 2))
    assert first.guide_g.std() < 0.6
    assert abs(np.corrcoef(first.guide_g, second.guide_g)[0, 1]) < 0.15
    assert learnt(corpus()).guide_g.std() > 2 * first.guide_g.std()


def test_shuffled_labels_teach_nothing_and_true_ones_do():
    values_ng = corpus(0.0)
    label_n = np.tile(np.repeat(["treated", "control"], 7), 3)
    values_ng[label_n == "treated", :MODULE] += 1.5
    shuffled_n = np.concatenate([np.random.default_rng(s).permutation(label_n[:14]) for s in range(3)])
    true, trap = (learnt(values_ng, "labelled", labels=labels).guide_g for labels in (label_n, shuffled_n))
    assert true[:MODULE].mean() > 5 * true[MODULE:].mean()
    assert trap[:MODULE].mean() < 2 * trap[MODULE:].mean()


def test_a_gene_set_teaches_the_genes_that_follow_it():
    sets = {"Tf": dict.fromkeys(toy_genes(20), 1.0)}  # the module's first twenty; forty others follow
    guide = learnt(corpus(), "gene_sets", sets=sets)
    assert guide.genes == toy_genes(N_GENES)[20:]  # the set itself never learns
    assert guide.guide_g[:40].mean() > 3 * guide.guide_g[40:].mean()
    assert guide.meta["n_contrasts"] == 3


def test_a_gene_loud_in_one_study_counts_less_than_one_that_moves_in_all_of_them_by_the_geometric_mean():
    values_ng = corpus()
    factor_n = values_ng[:, :MODULE].mean(1) - 6
    values_ng[:, 100] = np.where(STUDIES == "A", 6 + 9 * factor_n, 6)
    loud, everywhere = 100, slice(0, MODULE)
    arithmetic, geometric = (learnt(values_ng, average=a).guide_g for a in ("arithmetic", "geometric"))
    assert arithmetic[loud] > np.median(arithmetic[everywhere])
    assert geometric[loud] < np.median(geometric[everywhere])


def test_what_a_study_does_not_measure_or_express_does_not_count_there():
    values_ng = corpus()
    values_ng[STUDIES == "A", 0] = np.nan
    values_ng[STUDIES == "B", 1] = 0
    values_ng[STUDIES != "C", 2] = np.nan
    guide = learnt(values_ng)
    assert guide.genes[:3] == toy_genes(4)[:2] + toy_genes(4)[3:]  # one study is not enough
    assert guide.n_studies_g[:3].tolist() == [2, 2, 3]
    # As loud as others of the module, though a third of the studies does not speak of them.
    assert guide.guide_g[:2].min() > np.quantile(guide.guide_g[2 * MODULE :], 0.95)


def test_a_gene_that_few_studies_speak_of_is_drawn_to_the_arithmetic_mean():
    values_ng = corpus()
    full = learnt(values_ng, average="arithmetic")
    values_ng[STUDIES == "A", :2] = np.nan
    fewer = learnt(values_ng, average="arithmetic")
    drawn, kept = (fewer.guide_g / full.guide_g)[:2], (fewer.guide_g / full.guide_g)[2:]
    assert (full.guide_g[:2] > 1.5).all()
    assert (drawn < 0.95).all()
    assert abs(np.median(kept) - 1) < 0.05


def test_the_absolute_measure_is_flatter_and_has_the_same_order():
    squared = learnt(corpus())
    samples = toy_samples(corpus(), STUDIES)
    absolute = learn_gene_guide(samples, GenesConfig(measure="absolute"))
    assert absolute.meta["measure"] == "absolute"
    assert absolute.guide_g.std() < 0.7 * squared.guide_g.std()
    assert np.corrcoef(absolute.guide_g, np.sqrt(squared.guide_g))[0, 1] > 0.97


def test_residuals_are_about_each_label_s_mean():
    values_ng = corpus(0.0)
    label_n = np.tile(np.repeat(["treated", "control"], 7), 3)
    values_ng[label_n == "treated", :MODULE] += 5
    told, untold = learnt(values_ng, labels=label_n), learnt(values_ng)
    assert told.residual_g.mean() == pytest.approx(0.5, rel=0.05)
    assert told.residual_g[:MODULE].mean() == pytest.approx(0.5, rel=0.1)
    assert untold.residual_g[:MODULE].mean() > 2


def test_the_guide_says_what_it_was_made_of_and_the_same_seed_makes_it_again():
    guide, again = learnt(corpus()), learnt(corpus())
    assert guide.guide_g.tolist() == again.guide_g.tolist()
    assert guide.meta["studies"] == ["A", "B", "C"]
    assert guide.meta["n_contrasts"] == 72
    assert (guide.meta["strategy"], guide.meta["scale"]) == ("within_study", "log2p1_cpm")
    other = learn_gene_guide(toy_samples(corpus(), STUDIES), GenesConfig(seed=1))
    assert other.guide_g.tolist() != guide.guide_g.tolist()
    assert np.corrcoef(other.guide_g, guide.guide_g)[0, 1] > 0.9


def test_a_corpus_that_expresses_nothing_is_refused():
    with pytest.raises(RecipeError, match=r"no gene has a mean CPM above 1.0"):
        learnt(corpus() * 0.01)
