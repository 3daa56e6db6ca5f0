"""What a job asks for becomes a recipe, or a sentence that says why it cannot."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from jobs.run import needed
from rnalearner.config import FinetuneConfig, LinearConfig, RunConfig, load_recipe
from rnalearner.errors import InputError
from rnalearner.layout import RunLayout
from service.recipes.ingredients import offered_recipes
from service.recipes.inputs import PARAMS, Ingredients, Table
from service.recipes.models import Model
from service.recipes.recipe import job_recipe, job_words
from service.schemas.datasets import DatasetReport
from service.schemas.jobs import LinearSettings
from service.settings import Settings
from tests.service.toy_jobs import OTHER, THIRD, TRAIN, report

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, genes=tmp_path / "genes.csv", num_cpus=2)


def table(dataset: str, found: DatasetReport | None = None) -> Table:
    folder = Path("/data") / dataset
    return Table(
        dataset, f"{dataset[:2]}.csv", folder / "table.txt", folder / "labels.csv", found or report()
    )


def model(guide: bool = True, gene_guide: bool = True) -> Model:
    return Model("osd", "operator", Path("/models/osd"), guide, gene_guide, 3, {}, 0.0)


def recipe(
    settings: Settings,
    kind: str,
    params: dict[str, Any],
    *tables: Table,
    model: Model | None = None,
    source: Path | None = None,
) -> RunConfig:
    found = Ingredients({table.id: table for table in tables}, model, source)
    return job_recipe("job-1", PARAMS[kind].model_validate(params), found, settings)


def test_finetuning_reads_each_dataset_as_a_study_of_its_own(settings: Settings) -> None:
    params = {"train": TRAIN, "validation": OTHER, "test": THIRD, "allow_leak": True}
    config = recipe(settings, "finetune", params, table(TRAIN), table(OTHER), table(THIRD))
    assert config.data.source == "tables"
    assert {t.study: t.path for t in config.data.tables} == {
        "train": Path(f"/data/{TRAIN}/table.txt"),
        "validation": Path(f"/data/{OTHER}/table.txt"),
        "test": Path(f"/data/{THIRD}/table.txt"),
    }
    assert all(t.sheet is not None and t.sheet.is_absolute() for t in config.data.tables)
    assert config.data.genes == settings.genes
    assert config.data.allow_leak
    (task,) = config.tasks
    assert task.studies == ("train", "validation", "test")
    assert task.column == "flight"
    assert task.class_names == ("FLT", "GC")
    assert config.ray.num_cpus == 2


@pytest.mark.parametrize(
    ("start", "arms"), [(None, ("none",)), (model(guide=False), ("pretrained",)), (model(), ("guided",))]
)
def test_without_arms_the_most_that_the_model_has_learned_is_taken(
    settings: Settings, start: Model | None, arms: tuple[str, ...]
) -> None:
    config = recipe(settings, "finetune", {"train": TRAIN}, table(TRAIN), model=start)
    assert config.finetune.arms == arms
    assert config.model.path == (None if start is None else start.folder)


def test_without_a_model_the_encoder_is_small(settings: Settings) -> None:
    sizes = recipe(settings, "finetune", {"train": TRAIN}, table(TRAIN)).model
    assert (sizes.dim, sizes.depth, sizes.heads, sizes.dim_head, sizes.n_features) == (32, 2, 2, 16, 32)


@pytest.mark.parametrize(("n_genes", "needed"), [(60, 20), (599, 199), (55_000, 200)])
def test_small_tables_keep_their_samples(settings: Settings, n_genes: int, needed: int) -> None:
    config = recipe(settings, "finetune", {"train": TRAIN}, table(TRAIN, report(n_genes=n_genes)))
    assert config.preprocessing.min_expressed_genes == needed


def test_groups_are_all_that_two_samples_have_by_name(settings: Settings) -> None:
    found = report({"VIV": 5, "GC": 4, "": 9, "FLT": 2, "odd": 1})
    config = recipe(settings, "finetune", {"train": TRAIN}, table(TRAIN, found))
    assert config.tasks[0].groups == ("FLT", "GC", "VIV")


def test_groups_asked_for_keep_their_order(settings: Settings) -> None:
    config = recipe(settings, "finetune", {"train": TRAIN, "groups": ["GC", "FLT"]}, table(TRAIN))
    assert config.tasks[0].class_names == ("GC", "FLT")


def test_own_settings_win_over_tuned_ones_and_both_over_the_defaults(
    settings: Settings, tmp_path: Path
) -> None:
    best = RunLayout(tmp_path / "tuning").best_recipe
    best.parent.mkdir(parents=True)
    best.write_text('[finetune]\nlearning_rate = 0.02\nepochs = 33\nhead = "conv"\narms = ["none"]\n')
    params = {"train": TRAIN, "tuned_by": "job-" + "0" * 24, "settings": {"epochs": 7}}
    config = recipe(settings, "finetune", params, table(TRAIN), model=model(), source=tmp_path / "tuning")
    tuned = config.finetune
    assert (tuned.learning_rate, tuned.head, tuned.epochs, tuned.arms) == (0.02, "conv", 7, ("guided",))
    assert tuned.batch_size == FinetuneConfig().batch_size


@pytest.mark.parametrize(("start", "guided"), [(None, False), (model(), True)])
def test_a_linear_job_needs_no_encoder_and_takes_the_gene_guide_that_there_is(
    settings: Settings, start: Model | None, guided: bool
) -> None:
    asked = {"cohort_centring": False, "method": "ridge"}
    params = {"train": TRAIN, "test": OTHER, "settings": asked}
    config = recipe(settings, "linear", params, table(TRAIN), table(OTHER), model=start)
    assert config.finetune.arms == ()
    told = config.linear
    assert (told.guide, told.cohort_centring, told.method) == (guided, False, "ridge")
    assert config.model.path == (None if start is None else start.folder)
    assert (config.tasks[0].train, config.tasks[0].validation, config.tasks[0].test) == (
        "train",
        None,
        "test",
    )
    assert needed("report", config)[:2] == ["ingest", "linear"]


def test_every_setting_of_the_linear_model_is_a_field_of_its_recipe() -> None:
    assert set(LinearSettings.model_fields) <= set(LinearConfig.model_fields)
    asked = get_args(LinearSettings.model_fields["method"].annotation)[0]
    assert get_args(asked) == get_args(LinearConfig.model_fields["method"].annotation)


def test_a_model_may_lend_its_genes_alone(settings: Settings) -> None:
    params = {"train": TRAIN, "settings": {"guide": False}}
    config = recipe(settings, "linear", params, table(TRAIN), model=model(gene_guide=False))
    assert not config.linear.guide


@pytest.mark.parametrize("gene_guide", [True, False])
def test_the_linear_model_beside_an_encoder_takes_the_models_gene_guide_too(
    settings: Settings, gene_guide: bool
) -> None:
    start = model(gene_guide=gene_guide)
    config = recipe(settings, "finetune", {"train": TRAIN}, table(TRAIN), model=start)
    assert config.linear.guide == gene_guide


@pytest.mark.parametrize(
    ("params", "start", "told"),
    [
        ({"settings": {"guide": True}}, None, "settings.guide: needs a model"),
        ({"model": "osd"}, model(gene_guide=False), "model osd: has no gene guide; name another, or none"),
    ],
)
def test_a_gene_guide_that_is_not_there_is_not_passed_over(
    settings: Settings, params: dict[str, Any], start: Model | None, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        recipe(settings, "linear", {"train": TRAIN, **params}, table(TRAIN), model=start)


def test_a_search_never_gets_the_test_dataset(settings: Settings) -> None:
    params = {"train": TRAIN, "test": OTHER, "num_samples": 5, "folds": 4, "max_epochs": 6}
    config = recipe(settings, "tune", params, table(TRAIN), table(OTHER), model=model())
    assert [t.study for t in config.data.tables] == ["train"]
    assert config.tasks[0].test is None
    assert (config.tune.num_samples, config.tune.folds, config.tune.arm) == (5, 4, "guided")
    assert config.tune.epochs == (6, 6)
    assert config.finetune.epochs == 6


def test_exploring_takes_each_dataset_as_a_study_under_its_own_name(settings: Settings) -> None:
    twin = Table(OTHER, f"{TRAIN[:2]}.csv", Path("/data/t"), None, report())
    config = recipe(settings, "explore", {"datasets": [TRAIN, OTHER]}, table(TRAIN), twin)
    assert [t.study for t in config.data.tables] == ["a1.csv", f"a1.csv {OTHER[:12]}"]
    assert config.clustering.k < 24
    assert not config.tasks


@pytest.mark.parametrize("n_samples", [3, 4, 10, 1000])
def test_sample_clusters_fit_the_samples(settings: Settings, n_samples: int) -> None:
    config = recipe(settings, "explore", {"datasets": [TRAIN]}, table(TRAIN, report(n_samples=n_samples)))
    assert all(2 <= k < n_samples for k in config.clustering.k_list)
    assert config.clustering.k in config.clustering.k_list


def test_predicting_asks_the_classifiers_of_the_job(settings: Settings, tmp_path: Path) -> None:
    config = recipe(settings, "finetune", {"train": TRAIN}, table(TRAIN), model=model())
    run = RunLayout(tmp_path / "classifier")
    run.root.mkdir()
    run.recipe.write_text(config.model_dump_json())
    params = {"classifier": "job-" + "0" * 24, "dataset": OTHER, "formats": ["csv", "csv"]}
    predict = recipe(settings, "predict", params, table(OTHER), source=run.root).predict
    assert (predict.run, predict.table, predict.formats) == (
        run.root,
        Path(f"/data/{OTHER}/table.txt"),
        ("csv",),
    )
    with pytest.raises(InputError, match=r"arm none: was not learned by job-0+; choose among guided"):
        recipe(settings, "predict", params | {"arm": "none"}, table(OTHER), source=run.root)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"arm": "none"}, "arm none: was not learned by job-0+; leave it out, or name a finetune job"),
        ({"method": "encoder"}, "method encoder: was not learned by job-0+; leave it out"),
        ({"arm": "none", "method": "linear"}, "arm none: is an encoder's, and the method is linear"),
    ],
)
def test_a_linear_job_predicts_as_a_finetune_job_does_but_has_no_encoder(
    settings: Settings, tmp_path: Path, asked: dict[str, Any], told: str
) -> None:
    config = recipe(settings, "linear", {"train": TRAIN}, table(TRAIN))
    run = RunLayout(tmp_path / "classifier")
    run.root.mkdir()
    run.recipe.write_text(config.model_dump_json())
    params = {"classifier": "job-" + "0" * 24, "dataset": OTHER}
    predict = recipe(settings, "predict", params, table(OTHER), source=run.root).predict
    assert (predict.run, predict.method, predict.arm) == (run.root, "auto", None)
    with pytest.raises(InputError, match=told):
        recipe(settings, "predict", params | asked, table(OTHER), source=run.root)


def test_pretraining_runs_an_offered_recipe_with_its_own_paths(settings: Settings, tmp_path: Path) -> None:
    offered = tmp_path / "offered"
    offered.mkdir()
    (offered / "mice.toml").write_text('[data]\nsource = "compendium"\nroot = "../corpus"\n')
    settings = settings.model_copy(update={"recipes": offered})
    found = Ingredients({}, recipe=offered_recipes(settings)["mice"])
    params = PARAMS["pretrain"].model_validate({"recipe": "mice", "max_steps": 9, "licence": "CC0-1.0"})
    config = job_recipe("job-1", params, found, settings)
    assert config.data.root == (tmp_path / "corpus").resolve()
    assert config.pretrain.max_steps == 9
    assert (config.export.guide, config.export.name, config.export.licence) == (False, "mice", "CC0-1.0")


def test_demo_and_smoke_are_always_offered_and_nothing_else_that_comes_with_the_program(
    settings: Settings,
) -> None:
    offered = offered_recipes(settings)
    assert set(offered) == {"demo", "smoke"}
    assert all(load_recipe(path) for path in offered.values())


def test_scouting_goes_on_with_the_recipe_of_the_pretraining(settings: Settings, tmp_path: Path) -> None:
    found = Ingredients({}, recipe=offered_recipes(settings)["smoke"])
    before = job_recipe("job-1", PARAMS["pretrain"].model_validate({"recipe": "smoke"}), found, settings)
    run = RunLayout(tmp_path / "job-1")
    run.root.mkdir()
    on_cluster = before.model_copy(update={"ray": before.ray.model_copy(update={"address": "auto"})})
    run.recipe.write_text(on_cluster.model_dump_json())
    params = {"pretraining": "job-" + "0" * 24, "n_scouts": 3}
    config = recipe(settings, "scout", params, source=run.root)
    assert (config.scouting.n_scouts, config.export.guide, config.ray.address) == (3, True, None)
    own = {"name", "scouting", "export"}
    assert config.model_dump(exclude=own) == before.model_dump(exclude=own)


def faulty(label: str, params: dict[str, Any], told: str, **given: Any) -> Any:
    return pytest.param(params, given, told, id=label)


@pytest.mark.parametrize(
    ("params", "given", "told"),
    [
        faulty("unknown column", {"column": "flown"}, "no column 'flown'; choose among flight, animal"),
        faulty("no sheet", {}, "no sheet of labels; upload one", found=report(columns=[])),
        faulty(
            "no column that looks like groups",
            {},
            "no column of its sheet looks like groups; name one of flight, animal",
            found=report(label_column=None),
        ),
        faulty("unknown group", {"groups": ["FLT", "XX"]}, "holds no 'XX'; choose among 'FLT', 'GC'"),
        faulty(
            "group of one sample",
            {"groups": ["FLT", "GC"]},
            "has 1 sample of group 'GC'",
            found=report({"FLT": 6, "GC": 1}),
        ),
        faulty("one group", {}, "has 1 values that two or more samples have", found=report({"FLT": 12})),
        faulty("a value for every sample", {"column": "animal"}, "has 0 values that two or more samples"),
        faulty("a group named twice", {"groups": ["FLT", "FLT"]}, "name one value twice"),
        faulty("test is train", {"test": TRAIN}, "train and test: are not different datasets"),
        faulty("a validation without the groups", {"validation": OTHER}, "fewer than two of the groups"),
        faulty("guided without a model", {"arms": ["none", "guided"]}, "arm guided: needs a model"),
        faulty("no guide", {"arms": ["guided"]}, "model osd has none", model=model(guide=False)),
        faulty(
            "another species",
            {},
            "measures 20% of the genes of model osd",
            found=report(models={"osd": 0.2}),
            model=model(),
        ),
    ],
)  # fmt: skip
def test_a_request_that_could_not_succeed_is_refused_with_what_would(
    settings: Settings, params: dict[str, Any], given: dict[str, Any], told: str
) -> None:
    tables = table(TRAIN, given.get("found")), table(OTHER, report({"early": 6, "late": 6}))
    with pytest.raises(InputError, match=told):
        recipe(settings, "finetune", {"train": TRAIN, **params}, *tables, model=given.get("model"))


@pytest.mark.parametrize(
    ("params", "n_samples", "told"),
    [({}, 2, "hold 2 samples"), ({"k": 12}, 12, "k: 12 is not below the 12 samples")],
)
def test_too_few_samples_to_explore_are_refused(
    settings: Settings, params: dict[str, Any], n_samples: int, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        recipe(
            settings, "explore", {"datasets": [TRAIN], **params}, table(TRAIN, report(n_samples=n_samples))
        )


def test_a_search_on_the_validation_dataset_needs_one(settings: Settings) -> None:
    with pytest.raises(InputError, match="objective: `validation` needs a validation dataset"):
        recipe(settings, "tune", {"train": TRAIN, "objective": "validation"}, table(TRAIN))


def test_a_group_beyond_the_values_that_the_report_lists_is_left_to_the_job(settings: Settings) -> None:
    found = report()
    listed = found.columns[0].model_copy(update={"n_values": 80})
    found = found.model_copy(update={"columns": [listed]})
    config = recipe(settings, "finetune", {"train": TRAIN, "groups": ["FLT", "rare"]}, table(TRAIN, found))
    assert config.tasks[0].groups == ("FLT", "rare")


@pytest.mark.parametrize("kind", PARAMS)
def test_the_command_line_takes_the_words(kind: Any) -> None:
    words = job_words(kind, Path("/jobs/job-1"), 2, Path("/jobs/job-0"))
    assert words[1:4] == ["/jobs/job-1/recipe.json", "--out", "/jobs/job-1"]
    shown = subprocess.run(
        [sys.executable, "-m", "jobs.cli", words[0], "--help"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={"COLUMNS": "200", "TERM": "dumb", "PATH": "/usr/bin:/bin"},
        check=True,
    ).stdout
    assert all(word in shown for word in words if word.startswith("--"))


def test_a_recipe_survives_being_written_down(settings: Settings, tmp_path: Path) -> None:
    config = recipe(settings, "finetune", {"train": TRAIN}, table(TRAIN), model=model())
    written = tmp_path / "recipe.json"
    written.write_text(json.dumps(config.model_dump(mode="json")))
    assert load_recipe(written) == config
