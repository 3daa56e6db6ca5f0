"""The report's tables, as data frames of numbers; the page decides how they look."""

from dataclasses import replace

import numpy as np
import pandas as pd

from rnalearner.report.called import SCORED_ON, scored
from rnalearner.report.classes import class_columns, probabilities
from rnalearner.report.curves import auroc_interval
from rnalearner.report.metrics import Scores, score

ARM_ORDER = ("none", "pretrained", "guided")


def arm_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """The encoder's arms, a row a task and arm: the analogue of the paper's Table 1.

    From `predictions.csv`. Columns: task, arm, n_classes, scored_on (in words), then for all test samples
    (of a task without a test: those held out in turn) and (prefix `unseen_`) for those whose subject is in
    no other dataset of the task: n_test, seeds, accuracy, low, high, auroc, auroc_low, auroc_high, brier.
    The intervals are over test samples (`metrics`, `curves`).
    """
    rows = []
    for (task, arm), group in scored(predictions).groupby(["task", "arm"], sort=False):
        unseen = group[group["unseen_subject"]]
        named = {"task": task, "arm": arm, "n_classes": len(class_columns(group))}
        named["scored_on"] = SCORED_ON[group["split"].iloc[0]]
        rows.append(named | _encoder(group) | _encoder(unseen, "unseen_"))
    table = pd.DataFrame(rows, columns=_columns(["task", "arm", "n_classes", "scored_on"]))
    return _in_arm_order(table)


def learner_table(guided_predictions: pd.DataFrame, guided: pd.DataFrame | None = None) -> pd.DataFrame:
    """The guided linear learner, a row a task, with the columns of `arm_table`; its arm says in words
    whether it had a guide, which `guided` (runs.csv) knows."""
    table = arm_table(guided_predictions)
    without = set() if guided is None else set(guided.loc[~guided["guided"], "task"])
    table["arm"] = ["linear, no guide" if task in without else "guided linear" for task in table["task"]]
    return table


def rival_table(rival_predictions: pd.DataFrame, rivals: pd.DataFrame | None = None) -> pd.DataFrame:
    """The linear rivals, a row a task, arm and centring, with the columns of `arm_table`.

    An arm without probabilities has, of more than two classes, no score a class in its predictions;
    `rivals` (rivals.csv) knows its AUROC.
    """
    rows = []
    for (task, arm, centred), group in rival_predictions.groupby(["task", "arm", "centred"], sort=False):
        of_task = rival_predictions[rival_predictions["task"] == task]
        named = {"task": task, "arm": arm, "centred": bool(centred)}
        known = None if rivals is None else rivals[(rivals[list(named)] == pd.Series(named)).all(axis=1)]
        auroc = float("nan") if known is None or known.empty else float(known["test_auroc"].iloc[0])
        named["n_classes"] = len(class_columns(of_task))
        # Older runs name no split: they had a test.
        named["scored_on"] = SCORED_ON[group["split"].iloc[0] if "split" in group else "test"]
        unseen = _linear(group[group["unseen_subject"]], "unseen_")
        rows.append(named | _linear(group, auroc=auroc) | unseen)
    key = ["task", "arm", "centred"]
    return pd.DataFrame(rows, columns=_columns([*key, "n_classes", "scored_on"]))


def fit_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on what arms were trained on and watched on, a row a task and arm.

    Columns: task, arm, seeds, train_accuracy, validation_accuracy (means over seeds; NaN without
    such a dataset). They tell that an arm has learned, not what it is worth.
    """
    grouped = runs.groupby(["task", "arm"], sort=False)
    table = grouped.agg(
        seeds=("seed", "nunique"),
        train_accuracy=("train_accuracy", "mean"),
        validation_accuracy=("validation_accuracy", "mean"),
    ).reset_index()
    return _in_arm_order(table)


PREDICTORS = {
    "bins": ("always the commonest bin", "each gene's own commonest bin"),
    "interpolated": ("the study's own mean", "the corpus' covariance"),
}
"""The two trivial predictors that stand beside a masked score, by `model.values`."""


def masked_table(pretrain: pd.DataFrame) -> pd.DataFrame:
    """Masked scores on held-out samples beside the predictors that know nothing of the sample.

    Rows: the encoder at its lowest validation loss; then the two trivial predictors, of bins always the
    commonest one and each gene's own. Columns: predictor, accuracy, loss a masked gene.
    """
    best = pretrain.iloc[int(np.nanargmin(pretrain["valid_loss"]))]
    first, second = PREDICTORS[best.get("model_values", "bins")]
    return pd.DataFrame(
        [
            (f"encoder, step {int(best['step'])}", best["valid_accuracy"], best["valid_loss"]),
            (first, best["commonest_accuracy"], best["commonest_loss"]),
            (second, best["mode_accuracy"], best["mode_loss"]),
        ],
        columns=["predictor", "accuracy", "loss"],
    )


def scouts_table(scouts: pd.DataFrame) -> pd.DataFrame:
    """Scouts in the order of how far they moved; `share` is each one's part of all squared movement.

    `failed` says why a scout has no result; `left_out` whether that is no fault of its own: nobody waited
    for it, or the guide had no need of it.
    """
    table = scouts.sort_values("moved", ascending=False, na_position="last").reset_index(drop=True)
    squared = table["moved"] ** 2
    table["share"] = squared / squared.sum() if squared.sum() > 0 else np.nan
    table["failed"] = table["failed"].fillna("").astype(str).replace({"False": "", "0": ""})
    table["left_out"] = table["failed"].str.startswith(("left out:", "not needed:"))
    return table


def _in_arm_order(table: pd.DataFrame) -> pd.DataFrame:
    order = table["arm"].map({arm: i for i, arm in enumerate(ARM_ORDER)}).fillna(len(ARM_ORDER))
    tasks = table["task"].map({task: i for i, task in enumerate(table["task"].unique())})
    return table.iloc[np.lexsort((order, tasks))].reset_index(drop=True)


def _encoder(group: pd.DataFrame, prefix: str = "") -> dict[str, float]:
    y_n = group.drop_duplicates("sample")["y"].to_numpy()
    probability_rnc = np.stack([_by_seed(group, name) for name in class_columns(group)], axis=-1)
    unknown_rn = np.isnan(probability_rnc).any(-1)
    call_rn = np.where(unknown_rn, np.nan, _by_seed(group, "call"))
    return _flat(score(y_n, call_rn, probability_rnc, probability_rnc), y_n, prefix)


def _by_seed(group: pd.DataFrame, column: str) -> np.ndarray:
    """One column as r x n, samples in the order of their first appearance."""
    wide = group.pivot(index="seed", columns="sample", values=column)
    return wide[group["sample"].drop_duplicates()].to_numpy(float) if len(group) else np.empty((0, 0))


def _linear(group: pd.DataFrame, prefix: str = "", auroc: float = float("nan")) -> dict[str, float]:
    """By its score where there is one (two classes), else by its probabilities; `auroc` where by neither."""
    probability_nc, score_n = probabilities(group), group["score"].to_numpy(float)
    ordering = probability_nc if np.isnan(score_n).any() else score_n
    y_n = group["y"].to_numpy()
    scores = score(y_n, group["call"].to_numpy()[None], ordering[None], probability_nc[None])
    return _flat(replace(scores, auroc=auroc) if np.isnan(scores.auroc) else scores, y_n, prefix)


def _flat(scores: Scores, y_n: np.ndarray, prefix: str) -> dict[str, float]:
    interval, of_auroc = scores.accuracy, auroc_interval(scores.auroc, y_n)
    values = {
        "n_test": scores.n_test,
        "seeds": scores.seeds,
        "accuracy": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "auroc": scores.auroc,
        "auroc_low": of_auroc.low,
        "auroc_high": of_auroc.high,
        "brier": scores.brier,
    }
    return {prefix + name: value for name, value in values.items()}


def _columns(names: list[str]) -> list[str]:
    measured = ["n_test", "seeds", "accuracy", "low", "high", "auroc", "auroc_low", "auroc_high", "brier"]
    return names + measured + [f"unseen_{name}" for name in measured]
