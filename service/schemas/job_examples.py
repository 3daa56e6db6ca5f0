"""Bodies of POST /v1/jobs, for the page at /docs."""

from fastapi.openapi.models import Example

_TRAIN, _NEW, _LINEAR = "ab" * 32, "cd" * 32, "job-" + "0a" * 12

EXAMPLES: dict[str, Example] = {
    "linear": Example(
        summary="The linear model, from one labelled dataset",
        value={"kind": "linear", "label": "flight", "params": {"train": _TRAIN}},
    ),
    "linear, guided": Example(
        summary="The same behind a published model's gene guide, scored on another dataset",
        value={"kind": "linear", "params": {"train": _TRAIN, "test": _NEW, "model": "osd"}},
    ),
    "predict": Example(
        summary="What the classifiers of a linear or a finetune job say of new samples",
        value={"kind": "predict", "params": {"classifier": _LINEAR, "dataset": _NEW}},
    ),
    "finetune": Example(
        summary="An encoder, guided, for comparison",
        value={
            "kind": "finetune",
            "params": {"train": _TRAIN, "model": "osd", "arms": ["guided"], "settings": {"epochs": 40}},
        },
    ),
}
