import pytest

from rnalearner.benchmark.compendium import Compendium
from rnalearner.benchmark.families import related_studies, with_families
from rnalearner.benchmark.folds import FILE, Folds, make_folds
from rnalearner.benchmark.tasks import read_tasks
from rnalearner.errors import LeakError, RecipeError
from tests.toy_compendium import HEADER, groups, write_compendium


@pytest.fixture
def folds(compendium, tasks):
    return make_folds(list(tasks.values()), compendium, n=2)


def test_families_stay_whole_and_folds_hold_about_as_many_samples(folds):
    # R has 18 samples of muscle and nerve; P 10 and Q 8.
    assert [fold.families for fold in folds.folds] == [("R",), ("P", "Q")]
    assert [fold.left_out for fold in folds.folds] == [("muscle", "nerve"), ("one", "two")]
    assert folds.folds[1].corpus == ("muscle", "nerve", "other")


def test_folds_do_not_depend_on_the_order_of_tasks(compendium, tasks, folds):
    assert make_folds(list(tasks.values())[::-1], compendium, n=2).folds == folds.folds


def test_more_folds_than_families_are_not_made(compendium, tasks):
    assert len(make_folds(list(tasks.values()), compendium, n=5).folds) == 3


def test_each_task_has_a_run_that_never_saw_its_family(compendium, tasks, folds, tmp_path):
    folds.save(tmp_path)
    stored = Folds.load(tmp_path)
    related = related_studies(list(tasks.values()), compendium)
    assert stored.folds == folds.folds
    for name, fold in {"first": 1, "second": 1, "pair": 0, "back": 0}.items():
        assert stored.run_for(tasks[name]) == tmp_path / f"fold-{fold}"
        assert stored.run_for(tasks[name], related[name]) == tmp_path / f"fold-{fold}"


def test_a_task_whose_studies_every_run_has_seen_is_refused(folder, compendium, tasks, folds):
    (folder / "tasks.csv").write_text(
        HEADER + "new,other,label,ill,well,S\nspan,one+muscle,label,ill,well,T\n"
    )
    for task in with_families(read_tasks(folder / "tasks.csv"), compendium):
        with pytest.raises(LeakError, match=f"task {task.name}: every run .* learned from a study"):
            folds.run_for(task)


def test_a_task_of_a_family_that_grew_is_refused(compendium, tasks, folds):
    # Since the runs were made, a study that they learned from has joined the family.
    with pytest.raises(LeakError, match="family P"):
        folds.run_for(tasks["first"], ("one", "other"))


def test_a_study_that_no_run_could_see_may_be_asked_of_any(tmp_path, tasks, folds):
    write_compendium(tmp_path / "new", {"late": groups(4, "z")}, "t,late,label,ill,well,\n")
    compendium = Compendium([tmp_path / "new"])
    (task,) = with_families(read_tasks(tmp_path / "new" / "tasks.csv"), compendium)
    assert folds.fold_for(task).name == "fold-0"


def test_folds_that_cannot_be_made_are_told(tmp_path):
    write_compendium(tmp_path, {"A": groups(4, "a")}, "t,A,label,ill,well,\n")
    compendium, tasks = Compendium([tmp_path]), read_tasks(tmp_path / "tasks.csv")
    with pytest.raises(RecipeError, match="fold 0 leaves every study out"):
        make_folds(tasks, compendium)
    with pytest.raises(RecipeError, match="0 were asked for"):
        make_folds(tasks, compendium, n=0)


@pytest.mark.parametrize("text", [None, "{", "{}", '{"folds": [{"name": "x"}], "families": {}}', "[]"])
def test_a_table_of_folds_that_is_none_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / FILE).write_text(text)
    with pytest.raises(RecipeError, match=r"is no table of folds.*rnalearner benchmark prepare"):
        Folds.load(tmp_path)
