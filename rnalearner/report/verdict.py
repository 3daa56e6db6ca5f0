"""What a run showed, in three honest lines made from its numbers."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from rnalearner.report.metrics import Estimate, fewest_right_above_chance

IN_TURN = "held out in turn"


def verdict(summary: Mapping[str, Any]) -> list[str]:
    """Three lines from a summary: pretraining, the arms, the linear rivals; a fourth, of the guided linear
    learner, where there is one.

    Each says what is not known as plainly as what is.
    """
    tasks = summary["tasks"]
    lines = [_pretraining(summary.get("pretraining"), summary.get("model")), _arms(tasks), _rivals(tasks)]
    learned = {name: task for name, task in tasks.items() if task.get("guided_linear")}
    return [*lines, _learner(learned)] if learned else lines


def _pretraining(scores: Mapping[str, Any] | None, model: Mapping[str, Any] | None) -> str:
    if model is not None:
        return (
            f"Pretraining: taken over from the published model {model['name']} ({model['id']}); what it is "
            "worth stands on its card."
        )
    if scores is None or scores["valid_loss"] is None:
        return "Pretraining: there are no masked scores in this run, so nothing can be said of it."
    if scores.get("values") == "interpolated":
        return _centred(scores)
    trivial = [scores["commonest_loss"], scores["mode_loss"]]
    told = (
        f"masked bins of held-out samples are predicted right {_percent(scores['valid_accuracy'])} of the "
        f"time at loss {_number(scores['valid_loss'])}; always the commonest bin gets "
        f"{_percent(scores['commonest_accuracy'])} ({_number(trivial[0])}), each gene's own commonest bin "
        f"{_percent(scores['mode_accuracy'])} ({_number(trivial[1])})"
    )
    known = [loss for loss in trivial if loss is not None]
    if not known:
        return f"Pretraining: {told}: without the trivial losses it cannot be judged."
    if scores["valid_loss"] >= max(known):
        return f"Pretraining learned nothing of use: {told}."
    if scores["valid_loss"] >= min(known):
        return (
            f"Pretraining did not beat what each gene's usual level tells: {told}: "
            "it learned how genes differ, nothing of how samples do."
        )
    return (
        f"Pretraining learned {min(known) - scores['valid_loss']:.2f} nats a masked gene beyond each gene's "
        f"usual level: {told}."
    )


def _centred(scores: Mapping[str, Any]) -> str:
    loss, nothing, linear = (scores[name] for name in ("valid_loss", "commonest_loss", "mode_loss"))
    told = (
        f"of masked values of held-out studies the side of the study's mean is told right "
        f"{_percent(scores['valid_accuracy'])} of the time at loss {_number(loss)}; the study's mean has "
        f"{_number(nothing)}, the corpus' covariance {_number(linear)} ({_percent(scores['mode_accuracy'])})"
    )
    if None in (nothing, linear):
        return f"Pretraining: {told}: without the trivial losses it cannot be judged."
    if loss >= nothing:
        return f"Pretraining learned nothing of use: {told}."
    if loss >= linear:
        return f"Pretraining learned no more than a linear predictor knows: {told}."
    return f"Pretraining learned more than the corpus' covariance: {told}."


def _arms(tasks: Mapping[str, Any]) -> str:
    told = [_arms_of(name, task) for name, task in tasks.items() if task["arms"]]
    if not told:
        return "Arms: no encoder was fine-tuned in this run, so the arms cannot be compared."
    return "Arms: " + "; ".join(told) + "."


def _arms_of(name: str, task: Mapping[str, Any]) -> str:
    if not task["n_test"]:
        return f"on {name} nothing was scored: it has no test samples"
    if task.get("scored_on") == IN_TURN:
        return (
            f"on {name} no arm was scored: it has no test samples, and only linear models try held-out ones"
        )
    arms = {arm: _estimate(scores) for arm, scores in task["arms"].items()}
    known = {arm: accuracy for arm, accuracy in arms.items() if accuracy is not None}
    listed = ", ".join(f"{arm} {_interval(accuracy)}" for arm, accuracy in known.items())
    apart = [
        f"{a if arms_a.mean > arms_b.mean else b} above {b if arms_a.mean > arms_b.mean else a}"
        for (a, arms_a), (b, arms_b) in combinations(known.items(), 2)
        if not arms_a.overlaps(arms_b)
    ]
    if len(known) < 2:
        conclusion = "nothing to compare"
    elif apart:
        conclusion = f"intervals lie apart for {' and '.join(apart)}, the others overlap"
        if len(apart) == len(known) * (len(known) - 1) // 2:
            conclusion = f"intervals lie apart: {' and '.join(apart)}"
    else:
        conclusion = "all intervals overlap, so no arm is shown to be better"
    if task["truth"] == "shuffled":
        chance = task["chance"]
        off = [arm for arm, accuracy in known.items() if not accuracy.low <= chance <= accuracy.high]
        conclusion = "its labels are shuffled and chance is the right answer"
        conclusion += f", yet {' and '.join(off)} lies off it" if off else ", which every interval holds"
    return f"on {name} {listed or 'no accuracy is known'}: {conclusion}"


def _rivals(tasks: Mapping[str, Any]) -> str:
    """Tasks of shuffled labels are left out: there is nothing to be better at."""
    tasks = {name: task for name, task in tasks.items() if task["truth"] != "shuffled"}
    scored = {name: task for name, task in tasks.items() if task["n_test"]}
    if tasks and not scored:
        return "Linear rivals: with no test samples there is nothing to compare them on."
    told = [_rival_of(name, task) for name, task in scored.items() if task["linear"]]
    weights = sorted(
        {(int(task["n_test"]), len(task["classes"]), _samples(task)) for task in scored.values()}
    )
    if not told:
        return "Linear rivals: none were run, and without one no accuracy above means much."
    return (
        "Linear rivals, the best one and the best encoder arm of each task (both picked on the test scores, "
        f"which flatters them): {'; '.join(told)}; {' and '.join(_weight(*weight) for weight in weights)}."
    )


def _rival_of(name: str, task: Mapping[str, Any]) -> str:
    best = {kind: _best(task[kind]) for kind in ("linear", "arms")}
    rival, arm = best["linear"], best["arms"]
    if rival is None:
        return f"on {name} no rival has an accuracy"
    if arm is None:
        return f"on {name} {rival[0].replace('_', ' ')} {_interval(rival[1])}, with no encoder arm to compare"
    how = "overlap" if rival[1].overlaps(arm[1]) else "lie apart"
    lead = rival[1].mean - arm[1].mean
    word = "is ahead of" if lead > 0 else "is behind" if lead < 0 else "matches"
    rival_name = rival[0].replace("_", " ")
    return (
        f"on {name} {rival_name} {_interval(rival[1])} {word} {arm[0]} {_interval(arm[1])} (intervals {how})"
    )


def _learner(tasks: Mapping[str, Any]) -> str:
    """The default answer, set against the best of the others."""
    return "Guided linear model: " + "; ".join(_learner_of(*item) for item in tasks.items()) + "."


def _learner_of(name: str, task: Mapping[str, Any]) -> str:
    learner, accuracy = task["guided_linear"], _estimate(task["guided_linear"])
    how = " without a guide" if learner["guided"] is False else ""
    if accuracy is None:
        why = f", and {task['no_estimate']}" if task.get("no_estimate") else ""
        return f"on {name}{how} nothing was scored: it has no test samples{why}"
    if task.get("scored_on") == IN_TURN:
        how += f" ({_samples(task)})"
    others = [("rival", *found)] if (found := _best(task["linear"])) is not None else []
    others += [("encoder arm", *found)] if (found := _best(task["arms"])) is not None else []
    told = ", ".join(
        f"the best {kind} ({other.replace('_', ' ')}) {_interval(score)}, intervals "
        + ("overlap" if accuracy.overlaps(score) else "lie apart")
        for kind, other, score in others
    )
    said = f"on {name}{how} {_interval(accuracy)}" + (f", {told}" if told else "")
    return said + (" (labels shuffled: chance is right)" if task["truth"] == "shuffled" else "")


def _samples(task: Mapping[str, Any]) -> str:
    return f"samples {IN_TURN}" if task.get("scored_on") == IN_TURN else "test samples"


def _weight(n_test: int, n_classes: int, samples: str) -> str:
    """What so many samples can tell."""
    fewest = fewest_right_above_chance(n_test, 1 / n_classes)
    of_classes = "" if n_classes == 2 else f" of {n_classes} classes"
    if fewest is None:
        return f"{n_test} {samples}{of_classes} can never exclude chance"
    return f"of {n_test} {samples}{of_classes} at least {fewest} must be right to exclude chance"


def _best(arms: Mapping[str, Any]) -> tuple[str, Estimate] | None:
    known = [(name, accuracy) for name, scores in arms.items() if (accuracy := _estimate(scores)) is not None]
    return max(known, key=lambda item: item[1].mean, default=None)


def _estimate(scores: Mapping[str, Any]) -> Estimate | None:
    accuracy = scores["test_accuracy"]
    return None if accuracy["mean"] is None else Estimate(**accuracy)


def _interval(accuracy: Estimate) -> str:
    return f"{_percent(accuracy.mean)} [{100 * accuracy.low:.0f}, {100 * accuracy.high:.0f}]"


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.0f} %"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"
