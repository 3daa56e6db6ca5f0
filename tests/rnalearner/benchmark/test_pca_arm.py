import numpy as np
import pytest
from sklearn.decomposition import PCA

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.pca_arm import pca_maps
from rnalearner.benchmark.tasks import load_task, read_tasks
from tests.toy_compendium import GENES, groups, write_compendium


def test_components_are_those_of_the_other_studies(compendium, tasks):
    loaded = load_task(compendium, tasks["pair"])
    maps = pca_maps(compendium, loaded)
    assert maps.studies == ("one", "other", "two")
    assert maps.n_genes == 30
    corpus = [np.log2(compendium.counts(study).cpm(GENES) + 1) for study in maps.studies]
    for centred in (False, True):
        pools = [x - x.mean(0) for x in corpus] if centred else corpus
        pca = PCA(10).fit(np.concatenate(pools))
        side = np.log2(compendium.counts("nerve").cpm(GENES) + 1)
        expected = pca.transform(side - side.mean(0) if centred else side)
        found = maps.sides(centred)[1]
        signs = np.sign((found * expected[:, ::-1]).sum(0))
        np.testing.assert_allclose(found * signs, expected[:, ::-1], atol=1e-8)


def test_only_the_first_folder_pretrains_unless_studies_are_named(tmp_path, folder, tasks):
    write_compendium(tmp_path / "more", {"extra": groups(6, "e")})
    compendium = Compendium([folder, tmp_path / "more"])
    loaded = load_task(compendium, tasks["first"])
    assert "extra" not in pca_maps(compendium, loaded).studies
    assert pca_maps(compendium, loaded, ["extra"]).studies == ("extra",)


@pytest.mark.parametrize("n_each", [2, 5])
def test_too_few_samples_make_no_components(tmp_path, n_each):
    write_compendium(tmp_path, {"one": groups(4, "a"), "few": groups(n_each, "b")}, "t,one,label,ill,well,\n")
    compendium = Compendium([tmp_path])
    loaded = load_task(compendium, read_tasks(tmp_path / "tasks.csv")[0])
    assert pca_maps(compendium, loaded) is None
