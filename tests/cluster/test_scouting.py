"""Scouts, their guide and their failures, under a real Ray of two CPUs."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import ray
import torch

from cluster.failure_policy import Decision, Limits, decide
from cluster.local import ray_session
from cluster.scouting import ScoutingResult, run_scouting
from rnalearner.checkpoint import WEIGHTS
from rnalearner.config import ModelConfig, RaySettings, RunConfig, ScoutingConfig
from rnalearner.errors import CheckpointError, ClusterError, RecipeError, RnalearnerError
from rnalearner.guide.movement import Movement
from rnalearner.guide.scaling import Guide, scaled
from rnalearner.guide.versions import read_versions
from rnalearner.layout import RunLayout
from rnalearner.model.build import identity, load_encoder, new_encoder, save_encoder
from rnalearner.model.heads import seeded_classifier
from rnalearner.publish import sha256_of
from rnalearner.scouts.contrast import Contrast
from rnalearner.scouts.delta import ScoutProgress, WeightDelta
from rnalearner.scouts.train import Scout, run_episode
from rnalearner.shards.read import ShardStore
from tests.toy_corpus import N_GENES, write_toy_corpus

SETTINGS = RaySettings(num_cpus=2, object_store_mb=100, use_gpu=False)
CONFIG = RunConfig(
    model=ModelConfig(dim=8, depth=2, heads=2, dim_head=4, n_features=8, feedforward_mult=2),
    scouting=ScoutingConfig(learning_rate=0.01, max_epochs=3, in_flight=2, batch_size=8),
    ray=SETTINGS,
)
# Four pairs of studies, the first of them much the longest.
CONTRASTS = [Contrast("long", "", np.arange(24), np.arange(24, 48))] + [
    Contrast(f"S{i} against S{i + 1}", "", np.arange(8 * i, 8 * i + 8), np.arange(8 * i + 8, 8 * i + 16))
    for i in (1, 2, 3)
]


def prepared(root: Path) -> RunLayout:
    """Shards and an untrained base checkpoint."""
    layout = RunLayout(root)
    store = write_toy_corpus(layout.shards)
    vectors_gd = torch.randn(N_GENES, 8, generator=torch.Generator().manual_seed(0))
    encoder = new_encoder(CONFIG.model, store.preprocessing, vectors_gd, seed=0)
    config = CONFIG.model
    save_encoder(layout.base_checkpoint, encoder, identity(config, store.preprocessing, store.gene_set))
    return layout


# ---- Ray --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ray_of_this_module() -> Iterator[None]:
    with ray_session(SETTINGS):
        yield


@pytest.fixture(scope="module")
def scouted(
    tmp_path_factory: pytest.TempPathFactory, ray_of_this_module: None
) -> tuple[RunLayout, ScoutingResult, list[ScoutProgress]]:
    layout = prepared(tmp_path_factory.mktemp("scouted"))
    heard: list[ScoutProgress] = []
    return layout, run_scouting(layout, CONFIG, CONTRASTS, heard.append), heard


@pytest.mark.ray
def test_the_guide_of_the_cluster_equals_one_made_in_this_process(scouted):
    layout, result, _ = scouted
    store = ShardStore.open(layout.shards)
    movement = Movement("here")
    for scout_id, contrast in enumerate(CONTRASTS):
        encoder, _ = load_encoder(layout.base_checkpoint, CONFIG.model, store.preprocessing, store.gene_set)
        head = seeded_classifier(encoder.gene_vectors_gd, CONFIG.scouting.head, CONFIG.scouting.head_seed)
        sent: list[WeightDelta] = []
        scout = Scout("r", scout_id, "here", contrast)
        run_episode(
            encoder, head, scout, store.tokens, CONFIG.scouting, lambda d, state, sent=sent: sent.append(d)
        )
        movement.add(sent[-1], "")
    expected = scaled(movement.measured("squared"), "per_tensor")
    assert result.guide.values.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(result.guide.values[name], value), name


@pytest.mark.ray
def test_the_guide_on_disk_says_what_it_was_made_of_and_fits_the_encoder(scouted):
    layout, result, _ = scouted
    store = ShardStore.open(layout.shards)
    stored = Guide.load(layout.guide, identity(CONFIG.model, store.preprocessing, store.gene_set))
    assert stored.meta["base_checkpoint"] == sha256_of(layout.base_checkpoint / WEIGHTS)
    assert stored.meta["scouts"] == [0, 1, 2, 3]
    assert (stored.meta["measure"], stored.meta["scaling"]) == ("squared", "per_tensor")
    encoder, _ = load_encoder(layout.base_checkpoint, CONFIG.model, store.preprocessing, store.gene_set)
    stored.check(encoder)
    assert stored.values.keys() == encoder.trained_parameters(1).keys()
    assert all(torch.equal(stored.values[name], result.guide.values[name]) for name in stored.values)


@pytest.mark.ray
def test_every_scout_is_heard_of_from_waiting_to_its_end(scouted):
    _, result, heard = scouted
    assert result.failures == {}
    for scout_id in range(len(CONTRASTS)):
        statuses = [p.status for p in heard if p.scout_id == scout_id]
        assert (statuses[0], statuses[1], statuses[-1]) == ("PENDING", "RUNNING", "SUCCEEDED")
        (ended,) = (r for r in result.results if r.scout_id == scout_id)
        assert heard[max(i for i, p in enumerate(heard) if p.scout_id == scout_id)].loss == ended.loss
    # Two at once, and no third before one of them has ended.
    in_flight: set[int] = set()
    for progress in heard:
        in_flight = (in_flight | {progress.scout_id}) if progress.status == "RUNNING" else in_flight
        in_flight -= {progress.scout_id} if progress.status == "SUCCEEDED" else set()
        assert len(in_flight) <= CONFIG.scouting.in_flight


@pytest.mark.ray
def test_results_come_in_the_order_of_completion(scouted):
    _, result, heard = scouted
    ended = [p.scout_id for p in heard if p.status == "SUCCEEDED"]
    assert [r.scout_id for r in result.results] == ended
    table = result.table(CONTRASTS)
    assert table["scout_id"].tolist() == [0, 1, 2, 3]
    assert table.loc[0, "name"] == "long"
    assert (table["failed"] == "").all()


@pytest.mark.ray
def test_only_the_newest_delta_of_a_scout_is_kept_and_the_rows_of_all(scouted):
    layout, result, _ = scouted
    (run,) = layout.deltas.iterdir()
    for ended in result.results:
        (kept,) = (run / "deltas" / f"scout-{ended.scout_id:05d}").iterdir()
        rows = sorted(path.stem for path in (run / "rows" / f"scout-{ended.scout_id:05d}").iterdir())
        assert kept.name.split("-")[0] == rows[-1]
        assert rows == [f"{seq:05d}" for seq in range(1, round(ended.epochs) + 1)]


@pytest.mark.ray
def test_there_is_a_version_of_the_guide_for_every_scout_and_each_names_its_parent(scouted):
    layout, result, _ = scouted
    versions = read_versions(layout)
    assert versions == result.versions
    assert [version.members for version in versions] == [(0,), (0, 1), (0, 1, 2), (0, 1, 2, 3)]
    assert [version.parent for version in versions] == ["", *(v.sha256 for v in versions[:-1])]
    assert versions[-1].sha256 == sha256_of(layout.guide / WEIGHTS)
    assert result.table(CONTRASTS)["in_guide"].all()


@pytest.mark.ray
def test_scouts_that_had_finished_do_not_run_again_after_an_interruption(scouted):
    layout, before, _ = scouted
    (run,) = layout.deltas.iterdir()
    for place in ("rows", "states", "deltas"):
        shutil.rmtree(run / place / "scout-00002")
    heard: list[ScoutProgress] = []
    again = run_scouting(layout, CONFIG, CONTRASTS, heard.append)
    assert {p.scout_id for p in heard if p.status == "RUNNING"} == {2}
    assert all(torch.equal(again.guide.values[n], v) for n, v in before.guide.values.items())


@pytest.mark.ray
def test_a_guide_that_has_converged_needs_no_more_scouts(scouted, tmp_path):
    layout = prepared(tmp_path)
    satisfied = CONFIG.scouting.model_copy(update={"guide_agreement": 1e-9})
    contrasts = [*CONTRASTS, *CONTRASTS[1:], *CONTRASTS[1:]]
    result = run_scouting(layout, CONFIG.model_copy(update={"scouting": satisfied}), contrasts)
    assert result.converged
    # The first version agrees with none; whoever else was faster than a member is no member.
    assert result.versions[-1].members == (0, 1, 2, 3)
    assert set(result.left_out.values()) == {"not needed: the guide had converged"}
    assert max(result.left_out) == len(contrasts) - 1
    table = result.table(contrasts)
    assert table["in_guide"].tolist() == [True] * 4 + [False] * 6
    assert all(torch.equal(v, scouted[1].guide.values[n]) for n, v in result.guide.values.items())


@pytest.mark.ray
def test_with_a_quorum_a_straggler_is_left_out_after_its_grace(tmp_path, ray_of_this_module):
    layout = prepared(tmp_path)
    huge = Contrast("huge", "", np.repeat(np.arange(24), 1000), np.repeat(np.arange(24, 48), 1000))
    plan = [huge, *CONTRASTS[1:3]]
    settings = CONFIG.scouting.model_copy(update={"quorum": 0.6, "grace_s": 0.5})
    result = run_scouting(layout, CONFIG.model_copy(update={"scouting": settings}), plan)
    assert [ended.name for ended in result.results] == [contrast.name for contrast in CONTRASTS[1:3]]
    assert result.left_out == {0: "left out: 0.6 of the scouts were waited for"}
    assert result.guide.meta["scouts"] == [1, 2]
    assert result.versions[-1].members == (1, 2)
    assert result.table(plan)["in_guide"].tolist() == [False, True, True]


@pytest.mark.ray
def test_new_scouts_join_an_old_guide(scouted, tmp_path):
    """Two and two are four: to the bit, because the sums go on where they were."""
    whole = scouted[1]
    first, second = prepared(tmp_path / "first"), prepared(tmp_path / "second")
    run_scouting(first, CONFIG, CONTRASTS[:2])
    onto = CONFIG.scouting.model_copy(update={"onto": first.movement})
    # Numbers decide a scout's seed: the second run repeats 0 and 1, whose own run id tells them apart.
    joined = run_scouting(second, CONFIG.model_copy(update={"scouting": onto}), CONTRASTS[2:])
    members = [(member.scout_id, member.name) for member in Movement.load(second.movement).members]
    assert members == [(i % 2, contrast.name) for i, contrast in enumerate(CONTRASTS)]
    assert joined.guide.values.keys() == whole.guide.values.keys()


def killed_when_it_runs(scout_id: int, times: int) -> Callable[[ScoutProgress], None]:
    """A listener that kills the worker of a scout as soon as one of its epochs is reported."""
    killed: list[int] = []

    def listen(progress: ScoutProgress) -> None:
        if progress.scout_id != scout_id or progress.round < 1 or progress.status != "RUNNING":
            return
        if len(killed) < times:
            killed.append(kill_busy_scout())

    return listen


def kill_busy_scout() -> int:
    """SIGKILL a worker of this test's own Ray: a child of its raylet that is running a scout."""
    for pid in workers_of(os.getpid()):
        title = Path(f"/proc/{pid}/cmdline").read_bytes().decode().strip("\0")
        if title.startswith("ray::ScoutActor"):
            os.kill(pid, signal.SIGKILL)
            return pid
    raise AssertionError("no scout to kill")


def workers_of(pid: int) -> list[int]:
    """Every descendant of a process."""
    found = []
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        for each in child.read_text().split():
            found += [int(each), *workers_of(int(each))]
    return found


@pytest.mark.ray
def test_a_scout_whose_worker_is_killed_is_started_again(tmp_path, ray_of_this_module, caplog):
    layout = prepared(tmp_path)
    slow = CONFIG.scouting.model_copy(update={"max_epochs": 60, "converged_accuracy": 1.0, "in_flight": 1})
    config = CONFIG.model_copy(update={"scouting": slow})
    listen = killed_when_it_runs(0, times=1)
    # Labels that mean nothing: this scout cannot converge before it is killed.
    rows = np.random.default_rng(0).permutation(48)
    contrasts = [Contrast("noise", "", rows[:24], rows[24:])]
    result = run_scouting(layout, config, contrasts, listen)
    assert "scout 0 failed" in caplog.text
    assert "retry: retry 1 of 20 without a new delta" in caplog.text
    assert result.failures == {}
    (ended,) = result.results
    (run,) = layout.deltas.iterdir()
    attempts = [json.loads(path.read_text())["row"]["attempt"] for path in sorted(run.glob("rows/*/*"))]
    assert len(attempts) == ended.epochs
    assert attempts == sorted(attempts)
    assert set(attempts) == {0, 1}  # the second attempt went on where the first was, not from the start


@pytest.mark.ray
def test_a_scout_that_fails_each_time_is_given_up_and_the_guide_made_without_it(tmp_path, ray_of_this_module):
    layout = prepared(tmp_path)
    bad = Contrast("one side of one sample", "", np.arange(8), np.arange(8, 9))
    good = Contrast("two studies", "", CONTRASTS[1].rows_a, CONTRASTS[1].rows_b)
    heard: list[ScoutProgress] = []
    limits = Limits(max_retries=0, max_skipped_share=0.5)
    result = run_scouting(layout, CONFIG, [good, bad], heard.append, limits)
    assert result.guide.meta["scouts"] == [0]
    assert "fewer than two samples" in result.failures[1]
    assert [p.status for p in heard if p.scout_id == 1][-1] == "FAILED"
    assert "fewer than two samples" in result.table([good, bad]).set_index("scout_id").loc[1, "failed"]
    with pytest.raises(ClusterError, match="1 of 1 scouts given up, at most 0 may be"):
        run_scouting(layout, CONFIG, [bad], limits=Limits(max_retries=0))


@pytest.mark.ray
def test_nothing_is_left_behind():
    """Runs last: its own session begins and ends here, after that of this module."""
    if ray.is_initialized():
        ray.shutdown()
    before = set(workers_of(os.getpid()))
    with ray_session(SETTINGS):
        folder = Path(ray._private.worker._global_node.get_temp_dir_path())
        token = Path(os.environ["HOME"]) / ".ray" / "auth_token"
        assert token.stat().st_mode & 0o077 == 0
        assert set(workers_of(os.getpid())) > before
        assert folder.exists()
    deadline = time.monotonic() + 20
    while (left := set(workers_of(os.getpid())) - before) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert not folder.exists()
    assert not ray.is_initialized()


# ---- without Ray ------------------------------------------------------------------------------------


def test_a_base_checkpoint_of_another_model_is_refused_before_ray_starts(tmp_path):
    layout = prepared(tmp_path)
    other = CONFIG.model_copy(update={"model": CONFIG.model.model_copy(update={"heads": 4})})
    with pytest.raises(CheckpointError, match="its model is"):
        run_scouting(layout, other, CONTRASTS)


def test_an_address_where_nobody_listens_is_refused_at_once():
    with (
        pytest.raises(ClusterError, match="Connection refused"),
        ray_session(RaySettings(address="127.0.0.1:1")),
    ):
        pass


CASES = {
    "a killed worker": (OSError("died"), True, True, 0, 0, Decision.RETRY, "retry 1 of 20"),
    "killed again": (OSError("died"), True, True, 19, 0, Decision.RETRY, "retry 20 of 20"),
    "killed too often": (
        OSError("died"),
        True,
        True,
        20,
        0,
        Decision.SKIP,
        "1 of 10 scouts given up, at most 2",
    ),
    "killed while it started": (OSError("died"), True, False, 20, 0, Decision.RETRY, "retry 21 of 100"),
    "never starts": (OSError("died"), True, False, 100, 0, Decision.SKIP, "1 of 10 scouts given up"),
    "too many given up": (OSError("died"), True, True, 20, 2, Decision.RAISE, "3 of 10 scouts given up"),
    "failed by itself": (OSError("disk"), False, True, 0, 0, Decision.RETRY, "retry 1 of 2"),
    "failed by itself again": (OSError("disk"), False, True, 2, 0, Decision.SKIP, "1 of 10 scouts given up"),
    "diverged": (
        RnalearnerError("scout", "loss is nan", "lower"),
        False,
        True,
        0,
        1,
        Decision.SKIP,
        "2 of 10",
    ),
    "all diverge": (RnalearnerError("scout", "nan", "lower"), False, True, 0, 2, Decision.RAISE, "3 of 10"),
    "bad input": (RecipeError("x", "y", "z"), False, True, 0, 0, Decision.RAISE, "its input is not usable"),
}


@pytest.mark.parametrize(
    ("error", "lost", "began", "fruitless", "n_skipped", "decision", "reason"), CASES.values(), ids=CASES
)
def test_a_failure_is_judged_by_what_it_is_and_by_how_many_there_were(
    error, lost, began, fruitless, n_skipped, decision, reason
):
    verdict = decide(error, lost, began, fruitless, n_skipped, n_scouts=10)
    assert verdict.decision is decision
    assert reason in verdict.reason
