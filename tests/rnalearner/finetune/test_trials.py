from pathlib import Path

import pandas as pd

from rnalearner.finetune.trials import TrialJournal, trials_table


def told(path: Path) -> TrialJournal:
    """Three trials: one at its end, one stopped with a lower loss, one running."""
    journal = TrialJournal(path)
    for number, epochs in enumerate((10, 20, 30)):
        journal.begin(number, {"epochs": epochs, "head": "conv"})
    journal.score(0, 5, 0.7, 0.5)
    journal.score(0, 10, 0.5, 0.75)
    journal.end(0, "SUCCEEDED", 1.25)
    journal.score(1, 5, 0.4, 1.0)
    journal.end(1, "STOPPED", 0.5)
    journal.score(2, 5, 0.3, 1.0)
    return journal


def test_another_process_reads_what_was_told(tmp_path: Path):
    journal = told(tmp_path / "tune" / "trials.jsonl")
    again = TrialJournal(journal.path)
    assert again.trials == journal.trials
    assert [trial.number for trial in again.ended] == [0, 1]
    assert again.trials[2].scores == {5: (0.3, 1.0)}


def test_a_line_that_was_cut_is_dropped_and_the_next_one_is_whole(tmp_path: Path):
    path = told(tmp_path / "trials.jsonl").path
    text = path.read_bytes()
    for cut in range(1, len(text.splitlines()[-1]) + 1):
        path.write_bytes(text[:-cut])
        journal = TrialJournal(path)
        assert journal.trials[2].scores == {}
        journal.score(2, 5, 0.3, 1.0)
        assert path.read_bytes() == text


def test_the_best_trial_is_one_that_ran_to_its_end(tmp_path: Path):
    journal = told(tmp_path / "trials.jsonl")
    assert journal.best is journal.trials[0]
    assert TrialJournal(tmp_path / "other.jsonl").best is None


def test_a_trial_that_begins_again_has_no_scores_of_before(tmp_path: Path):
    journal = told(tmp_path / "trials.jsonl")
    journal.begin(2, {"epochs": 30, "head": "conv"})
    assert TrialJournal(journal.path).trials[2].loss is None


def test_the_table_has_a_row_a_trial_and_a_column_a_setting(tmp_path: Path):
    journal = told(tmp_path / "trials.jsonl")
    journal.begin(3, {"epochs": 4, "head": "conv"})
    journal.end(3, "FAILED", 0.0)
    table = trials_table(journal.trials.values())
    assert list(table.columns) == [
        *("trial", "status", "epochs_run", "loss", "accuracy", "seconds"),
        *("epochs", "head"),
    ]
    assert table["status"].tolist() == ["SUCCEEDED", "STOPPED", "RUNNING", "FAILED"]
    assert table["epochs_run"].tolist() == [10, 5, 5, 0]
    assert table["loss"].tolist()[:3] == [0.5, 0.4, 0.3]
    assert pd.isna(table["loss"][3])
