import gzip
import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from rnalearner.config.data import SimulationConfig
from rnalearner.counts.recount3 import Recount3Source, gene_file, metadata_file, sample_list_file
from rnalearner.counts.simulate import simulate, simulated_studies
from rnalearner.counts.simulated_biology import simulated_tasks, task_modules, true_modules

SMALL = SimulationConfig(
    n_genes=60,
    n_modules=4,
    n_studies=8,
    samples_per_study=6,
    single_cell_share=0.25,
    task_samples=6,
    test_samples=10,
)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "mirror"
    simulate(folder, SMALL)
    return folder


def test_reading_the_mirror_gives_the_simulated_counts_back(mirror):
    source = Recount3Source(mirror)
    assert sorted(study.design.project for study in simulated_studies(SMALL)) == source.studies()
    for study in simulated_studies(SMALL):
        samples = source.read(study.design.project)
        np.testing.assert_array_equal(samples.layers["counts"], study.counts_ng)
        assert tuple(samples.obs_names) == study.runs
        assert tuple(samples.obs["label"]) == study.labels
        assert tuple(samples.obs["subject"]) == study.subjects
        np.testing.assert_array_equal(samples.obs["total"], study.counts_ng.sum(axis=1))
        np.testing.assert_array_equal(samples.obs["n_expressed"], (study.counts_ng > 0).sum(axis=1))


def test_files_look_like_those_of_recount3(mirror):
    lines = gzip.decompress(gene_file(mirror, "SRP900011").read_bytes()).decode().splitlines()
    assert gene_file(mirror, "SRP900011").parts[-3:] == ("11", "SRP900011", "sra.gene_sums.SRP900011.M023.gz")
    assert [line.startswith("##") for line in lines[:3]] == [True, True, False]
    assert lines[2].split("\t")[0] == "gene_id"
    assert len(lines) == 3 + SMALL.n_genes
    assert lines[3].split("\t")[0].startswith("ENSMUSG00000000001.")
    for table in ("recount_project", "recount_qc", "recount_seq_qc", "recount_pred", "sra"):
        text = gzip.decompress(metadata_file(mirror, "SRP900011", table).read_bytes()).decode()
        assert text.startswith("rail_id\texternal_id\tstudy\t")
        assert len(text.splitlines()) == 1 + SMALL.task_samples
    listed = gzip.decompress(sample_list_file(mirror).read_bytes()).decode().splitlines()
    assert len(listed) == 1 + 8 * 6 + 6 * 6 + 3 * 10


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(mirror, tmp_path):
    simulate(tmp_path / "again", SMALL)
    simulate(tmp_path / "other", SMALL.model_copy(update={"seed": 1}))
    for path in sorted(mirror.rglob("*.gz")):
        assert (tmp_path / "again" / path.relative_to(mirror)).read_bytes() == path.read_bytes()
    assert (
        gene_file(tmp_path / "other", "SRP900011").read_bytes() != gene_file(mirror, "SRP900011").read_bytes()
    )


def test_more_studies_leave_the_others_as_they_are():
    more = SMALL.model_copy(update={"n_studies": 20, "single_cell_share": 0.0})
    before = {study.design.project: study.counts_ng for study in simulated_studies(SMALL)}
    after = {study.design.project: study.counts_ng for study in simulated_studies(more)}
    np.testing.assert_array_equal(before["SRP900011"], after["SRP900011"])
    np.testing.assert_array_equal(before["SRP900101"], after["SRP900101"])


def test_single_cells_are_shallow_and_told_apart(mirror):
    source = Recount3Source(mirror)
    found = {project: source.read(project).obs for project in source.studies()}
    single = [project for project, obs in found.items() if set(obs["modality"]) == {"single-cell"}]
    assert single == ["SRP900107", "SRP900108"]
    deepest = max(found[project]["total"].max() for project in single)
    assert deepest < min(obs["total"].min() for project, obs in found.items() if project not in single) / 10


def test_the_answer_is_written_beside_the_files(mirror):
    answer = json.loads((mirror / "answer.json").read_text())
    assert [tuple(module) for module in answer["modules"]] == list(true_modules(SMALL))
    assert sum(map(len, true_modules(SMALL))) == SMALL.n_genes // 2
    assert {name: task["truth"] for name, task in answer["tasks"].items()} == {
        "flight_a": "signal",
        "flight_b": "signal",
        "shuffled": "shuffled",
    }
    for name, modules in task_modules(SMALL).items():
        assert tuple(answer["tasks"][name]["shifted_modules"]) == modules
    assert not set(task_modules(SMALL)["flight_a"]) & set(task_modules(SMALL)["flight_b"])


def test_the_studies_of_a_task_are_balanced_and_share_no_animal(mirror):
    source = Recount3Source(mirror)
    for task in simulated_tasks(SMALL):
        sets = [source.read(project).obs for project in (task.train, task.validation, task.test)]
        for obs, n_each in zip(sets, (3, 3, 5), strict=True):
            assert obs[task.column].value_counts().to_dict() == {"FLT": n_each, "GC": n_each}
            assert obs["tissue"].nunique() == 1
        subjects = [subject for obs in sets for subject in obs["subject"]]
        assert len(set(subjects)) == len(subjects)


def cohort_scores(config):
    """AUROC on the test study of each task and seed, by three routes: all genes, one gene, true modules."""
    answers = []
    for seed in range(12):
        one = config.model_copy(update={"seed": seed})
        studies = {study.design.project: study for study in simulated_studies(one)}
        log2 = {}
        for project, study in studies.items():
            cpm_ng = study.counts_ng / study.counts_ng.sum(axis=1, keepdims=True) * 1e6
            log2[project] = np.log2(1 + cpm_ng) - np.log2(1 + cpm_ng).mean(axis=0)
        for task in simulated_tasks(one):
            positive = {p: np.array(studies[p].labels) == "FLT" for p in (task.train, task.test)}
            train_ng, test_ng = log2[task.train], log2[task.test]
            fit = LogisticRegression(C=0.01, max_iter=1000).fit(train_ng, positive[task.train])
            gap_g = train_ng[positive[task.train]].mean(axis=0) - train_ng[~positive[task.train]].mean(axis=0)
            best = int(np.abs(gap_g).argmax())
            shifted = list(task_modules(one)[task.name])
            activity_n = studies[task.test].activity_nm[:, shifted].sum(axis=1)
            routes = {
                "genes": fit.decision_function(test_ng),
                "gene": test_ng[:, best] * np.sign(gap_g[best]),
                "modules": activity_n,
            }
            scored = {name: roc_auc_score(positive[task.test], values) for name, values in routes.items()}
            answers.append((task.truth, scored))
    return answers


@pytest.fixture(scope="module")
def scores():
    found = cohort_scores(SimulationConfig())

    def mean(truth, route):
        return float(np.mean([scored[route] for what, scored in found if what == truth]))

    return mean


def test_a_true_task_is_plain_to_who_knows_the_modules_less_so_by_all_genes_least_by_one(scores):
    assert scores("signal", "modules") > 0.97
    assert 0.9 < scores("signal", "genes") < scores("signal", "modules")
    assert 0.6 < scores("signal", "gene") < scores("signal", "modules") - 0.05


def test_shuffled_labels_carry_nothing(scores):
    assert abs(scores("shuffled", "genes") - 0.5) < 0.12
    assert abs(scores("shuffled", "gene") - 0.5) < 0.12


def test_genes_of_a_module_move_together_within_every_study_and_others_do_not():
    config = SimulationConfig()
    genes = [gene for module in true_modules(config) for gene in module]
    owner = np.repeat(range(config.n_modules), [len(module) for module in true_modules(config)])
    ids = [f"ENSMUSG{number:011d}" for number in range(1, config.n_genes + 1)]
    columns = [ids.index(gene) for gene in genes]
    residuals = []
    for study in simulated_studies(config):
        if study.design.modality == "bulk":
            log2_ng = np.log2(1 + study.counts_ng[:, columns])
            residuals.append(log2_ng - log2_ng.mean(axis=0))
    correlation_gg = np.abs(np.corrcoef(np.concatenate(residuals).T))
    same_gg = owner[:, None] == owner
    np.fill_diagonal(same_gg, False)
    assert correlation_gg[same_gg].mean() > 2 * correlation_gg[owner[:, None] != owner].mean()
