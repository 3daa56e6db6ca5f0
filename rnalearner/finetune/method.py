"""Who makes the call: the linear learner or an encoder, by what is there, asked for and known."""

from collections.abc import Sequence
from typing import Literal

from rnalearner.config import PredictConfig
from rnalearner.errors import RecipeError

Method = Literal["linear", "encoder"]

RECOMMENDED: tuple[tuple[int, Method], ...] = ((1, "linear"), (2, "linear"), (3, "linear"), (6, "linear"))
"""By the yardstick (docs/results.md): from so many training samples of the smallest class on, this one."""


def recommended(samples_a_class: int) -> Method:
    """The better one for a classifier of so few samples."""
    return [method for least, method in RECOMMENDED if least <= max(samples_a_class, 1)][-1]


def chosen_task(given: str | None, tasks: Sequence[str]) -> str:
    """The one asked for, or the only one; raises RecipeError naming those that there are."""
    listed = ", ".join(tasks)
    if given is None and len(tasks) > 1:
        raise RecipeError("predict.task", f"is not given, and the run has several: {listed}", "choose one")
    if given is not None and given not in tasks:
        raise RecipeError("predict.task", f"the run has no task {given!r}", f"choose among {listed}")
    return tasks[0] if given is None else given


def chosen_method(config: PredictConfig, available: Sequence[Method], samples_a_class: int) -> Method:
    """The one asked for, or else the yardstick's; raises RecipeError for what the task does not have.

    Naming an arm asks for the encoder.
    """
    if config.arm is not None and config.method == "linear":
        what = f"{config.arm!r} is an encoder's, and predict.method is linear"
        raise RecipeError("predict.arm", what, "leave one of them out")
    asked = "encoder" if config.arm is not None else config.method
    if asked == "auto":
        best = recommended(samples_a_class)
        return best if best in available else available[0]
    if asked not in available:
        field, verb = (
            "arm" if config.arm is not None else "method",
            {"linear": "linear"}.get(asked, "finetune"),
        )
        what = f"the run has no {asked} classifiers of this task"
        remedy = f"run `rnalearner {verb}` in it first, or leave predict.{field} out"
        raise RecipeError(f"predict.{field}", what, remedy)
    return asked


def chosen_arm(config: PredictConfig, arms: Sequence[str]) -> str:
    """The encoder's arm that makes its call: the one asked for, or the last of the run."""
    arm = config.arm or arms[-1]
    if arm not in arms:
        raise RecipeError("predict.arm", f"the run has no arm {arm!r}", f"choose among {', '.join(arms)}")
    return arm
