"""The report's tables, as data frames of numbers; the page decides how they look."""

import numpy as np
import pandas as pd

from rnalearner.report.metrics import Scores, score

ARM_ORDER = ("none", "pretrained", "guided")


def arm_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """The encoder's arms, a row a task and arm: the analogue of the paper's Table 1.

    From `predictions.csv`. Columns: task, arm, then for all test samples and (prefix `unseen_`) for
    those whose subject is in no other dataset of the task: n_test, seeds, accuracy, low, high, auroc,
    brier. The intervals are over test samples (`metrics`).
    """
    test = predictions[predictions["split"] == "test"]
    rows = []
    for (task, arm), group in test.groupby(["task", "arm"], sort=False):
        unseen = group[group["unseen_subject"]]
        rows.append({"task": task, "arm": arm} | _flat(_encoder(group)) | _flat(_encoder(unseen), "unseen_"))
    table = pd.DataFrame(rows, columns=_columns(["task", "arm"]))
    order = table["arm"].map({arm: i for i, arm in enumerate(ARM_ORDER)}).fillna(len(ARM_ORDER))
    tasks = table["task"].map({task: i for i, task in enumerate(table["task"].unique())})
    return table.iloc[np.lexsort((order, tasks))].reset_index(drop=True)


def linear_table(linear_predictions: pd.DataFrame) -> pd.DataFrame:
    """The linear arms, a row a task, arm and centring, with the columns of `arm_table`."""
    rows = []
    for (task, arm, centred), group in linear_predictions.groupby(["task", "arm", "centred"], sort=False):
        unseen = group[group["unseen_subject"]]
        rows.append(
            {"task": task, "arm": arm, "centred": bool(centred)}
            | _flat(_linear(group))
            | _flat(_linear(unseen), "unseen_")
        )
    return pd.DataFrame(rows, columns=_columns(["task", "arm", "centred"]))


def masked_table(pretrain: pd.DataFrame) -> pd.DataFrame:
    """Masked scores on held-out samples beside the predictors that know nothing of the sample.

    Rows: the encoder at its lowest validation loss; always the commonest bin; each gene's own bin.
    Columns: predictor, accuracy, loss (nats a masked gene).
    """
    best = pretrain.iloc[int(np.nanargmin(pretrain["valid_loss"]))]
    return pd.DataFrame(
        [
            (f"encoder, step {int(best['step'])}", best["valid_accuracy"], best["valid_loss"]),
            ("always the commonest bin", best["commonest_accuracy"], best["commonest_loss"]),
            ("each gene's own commonest bin", best["mode_accuracy"], best["mode_loss"]),
        ],
        columns=["predictor", "accuracy", "loss"],
    )


def scouts_table(scouts: pd.DataFrame) -> pd.DataFrame:
    """Scouts in the order of how far they moved; `share` is each one's part of all squared movement."""
    table = scouts.sort_values("moved", ascending=False, na_position="last").reset_index(drop=True)
    squared = table["moved"] ** 2
    table["share"] = squared / squared.sum() if squared.sum() > 0 else np.nan
    table["failed"] = table["failed"].fillna("").astype(str).replace({"False": "", "0": ""})
    return table


def _encoder(group: pd.DataFrame) -> Scores:
    probability_rn = _by_seed(group)
    y_n = group.drop_duplicates("sample")["y"].to_numpy()
    return score(y_n, probability_rn, 0.5, probability_rn)


def _by_seed(group: pd.DataFrame) -> np.ndarray:
    """Probabilities r x n, samples in the order of their first appearance."""
    wide = group.pivot(index="seed", columns="sample", values="probability")
    return wide[group["sample"].drop_duplicates()].to_numpy() if len(group) else np.empty((0, 0))


def _linear(group: pd.DataFrame) -> Scores:
    probability_n = group["probability"].to_numpy()
    known = None if np.isnan(probability_n).any() else probability_n[None]
    return score(group["y"].to_numpy(), group["score"].to_numpy()[None], 0.0, known)


def _flat(scores: Scores, prefix: str = "") -> dict[str, float]:
    interval = scores.accuracy
    values = {
        "n_test": scores.n_test,
        "seeds": scores.seeds,
        "accuracy": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "auroc": scores.auroc,
        "brier": scores.brier,
    }
    return {prefix + name: value for name, value in values.items()}


def _columns(names: list[str]) -> list[str]:
    measured = ["n_test", "seeds", "accuracy", "low", "high", "auroc", "brier"]
    return names + measured + [f"unseen_{name}" for name in measured]
