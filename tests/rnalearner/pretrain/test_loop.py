from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rnalearner.errors import CheckpointError, RecipeError
from rnalearner.pretrain.batches import PretrainData
from rnalearner.pretrain.loop import Rank, pretrain, samples_per_s
from rnalearner.pretrain.state import Progress, load_state, read_progress, save_state
from rnalearner.pretrain.step import PretrainModel, make_optimiser
from rnalearner.pretrain.stopping import EarlyStopping

MakeData, MakeModel = Callable[..., PretrainData], Callable[..., PretrainModel]
# Everything that could go wrong when a run goes on: several epochs, accumulation, redrawn
# projections, dropout and thinning.
FIELDS = {
    "max_steps": 12,
    "accumulate": 2,
    "redraw_steps": 4,
    "thinning": 0.3,
    "warmup_steps": 2,
    "restart_steps": 4,
    "patience": 100,
    "learning_rate": 1e-2,
}


def trained(
    data: PretrainData, model: PretrainModel, folder: Path, evaluations: int = 100, fingerprint: str = "run"
) -> list[Progress]:
    """Pretrain from the state in `folder`, for so many evaluations, saving at each."""
    optimiser = make_optimiser(model, data.config.learning_rate, data.config.weight_decay)
    start = load_state(folder, model, optimiser, fingerprint) or Progress(EarlyStopping(data.config.patience))
    seen = []
    for progress in pretrain(model, optimiser, data, start, Rank()):
        save_state(folder, model, optimiser, progress, fingerprint)
        seen.append(progress)
        if len(seen) == evaluations:
            break
    return seen


def without_time(progress: Progress) -> Progress:
    history = tuple({**row, "samples_per_s": 0.0} for row in progress.history)
    return replace(progress, trained_s=0.0, timed_samples=0, history=history)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_run_that_was_stopped_and_goes_on_ends_bit_equal(
    make_data: MakeData, make_model: MakeModel, tmp_path: Path, stop_after: int
):
    data = make_data(**FIELDS)
    straight = make_model(data, dropout=0.2)
    end = trained(data, straight, tmp_path / "straight")[-1]
    trained(data, make_model(data, dropout=0.2), tmp_path / "state", stop_after)
    resumed = make_model(data, dropout=0.2)
    resumed_end = trained(data, resumed, tmp_path / "state")[-1]
    assert without_time(resumed_end) == without_time(end)
    assert (end.step, end.epoch) == (12, 2)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_pretraining_beats_the_genes_own_histogram_on_unseen_studies(
    make_data: MakeData, make_model: MakeModel, tmp_path: Path
):
    data = make_data(
        max_steps=250, evaluate_every=50, learning_rate=1e-2, batch_size=8, mask_share=0.3, patience=9
    )
    end = trained(data, make_model(data, dim=16, dim_head=8, n_features=16), tmp_path / "state")[-1]
    trivial = data.trivial(data.histogram())
    assert end.stopping.best_loss < 0.97 * trivial.mode_loss
    assert end.history[-1]["valid_accuracy"] > 1.5 * trivial.mode_accuracy
    assert end.history[-1]["train_loss"] < end.history[0]["train_loss"]
    assert samples_per_s(end) > 0


def test_it_stops_early_and_a_finished_run_does_nothing_more(
    make_data: MakeData, make_model: MakeModel, tmp_path: Path
):
    data = make_data(max_steps=1000, learning_rate=1e-30, patience=2, evaluate_every=1)
    seen = trained(data, make_model(data), tmp_path / "state")
    assert [p.step for p in seen] == [1, 2, 3]
    assert seen[-1].stopping.best_step == 1
    assert trained(data, make_model(data), tmp_path / "state") == []


def test_the_last_step_is_evaluated_though_it_falls_between_evaluations(
    make_data: MakeData, make_model: MakeModel, tmp_path: Path
):
    data = make_data(max_steps=4, evaluate_every=3)
    assert [p.step for p in trained(data, make_model(data), tmp_path / "state")] == [3, 4]


def test_the_state_of_another_run_is_not_gone_on_from(
    make_data: MakeData, make_model: MakeModel, tmp_path: Path
):
    data = make_data(max_steps=3)
    trained(data, make_model(data), tmp_path / "state", fingerprint="one")
    assert len(trained(data, make_model(data), tmp_path / "state", fingerprint="two")) == 1
    assert read_progress(tmp_path / "state", "one") is None
    assert read_progress(tmp_path / "state", "two").step == 3


def test_a_damaged_state_is_refused(make_data: MakeData, make_model: MakeModel, tmp_path: Path):
    data = make_data(max_steps=3)
    trained(data, make_model(data), tmp_path / "state")
    weights = tmp_path / "state" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(CheckpointError, match="checksum"):
        trained(data, make_model(data), tmp_path / "state")


def test_a_loss_that_is_not_a_number_ends_the_run_with_advice(
    make_data: MakeData, make_model: MakeModel, tmp_path: Path
):
    data = make_data(max_steps=6)
    model = make_model(data)
    with torch.no_grad():
        model.encoder.extra_d.fill_(torch.nan)
    with pytest.raises(RecipeError, match="learning_rate"):
        trained(data, model, tmp_path / "state")
