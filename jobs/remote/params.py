"""`--train osd105 --settings.epochs 20` -> the params of a job, by its schema."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args, get_origin

from rnalearner.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from service.client import GatewayClient

DATASETS = ("train", "validation", "test", "dataset", "datasets")
JOBS = ("classifier", "tuned_by", "pretraining")


def parse_params(kind: str, words: Sequence[str]) -> dict[str, Any]:
    """Options by the names of the job's params; raises InputError naming one that is unknown."""
    from service.schemas import jobs as schemas

    model = getattr(schemas, f"{kind.capitalize()}Params", None)
    if model is None:
        kinds = ", ".join(get_args(schemas.JobKind))
        raise InputError(kind, "is no kind of job", f"choose among {kinds}")
    params: dict[str, Any] = {}
    remaining = list(words)
    while remaining:
        word = remaining.pop(0)
        name, has_value, value = word.removeprefix("--").partition("=")
        *tables, field = name.replace("-", "_").split(".")
        try:
            wanted = _annotation(model, (*tables, field)) if word.startswith("--") else None
        except KeyError:
            wanted = None
        if wanted is None:
            known = ", ".join(f"--{known}" for known in model.model_fields)
            raise InputError(word, f"is no parameter of {kind}", f"give some of {known}")
        if not has_value:
            if not remaining:
                raise InputError(word, "has no value", "write it after the option")
            value = remaining.pop(0)
        place = params
        for table in tables:
            place = place.setdefault(table, {})
        place[field] = _value(value, wanted)
    return params


def with_ids(client: "GatewayClient", params: dict[str, Any]) -> dict[str, Any]:
    """Names of datasets and jobs replaced by their ids."""
    from jobs.remote.find import find_dataset, find_job

    found = dict(params)
    for names, find in ((DATASETS, find_dataset), (JOBS, find_job)):
        for name in set(names) & set(found):
            value = found[name]
            ids = [find(client, word)["id"] for word in (value if isinstance(value, list) else [value])]
            found[name] = ids if isinstance(value, list) else ids[0]
    return found


def _annotation(model: "type[BaseModel]", path: Sequence[str]) -> Any:
    """Type of the field; raises KeyError where there is none."""
    found: Any = model
    for name in path:
        found = getattr(found, "model_fields", {})[name].annotation
    return found


def _value(text: str, wanted: Any) -> Any:
    """Text where text is wanted, a list of it at commas, else JSON's numbers and truth values."""
    kinds = {wanted, *get_args(wanted)}
    if any(get_origin(kind) is list for kind in kinds):
        return [part for part in text.split(",") if part]
    if kinds & {int, float, bool}:
        try:
            return json.loads(text, parse_constant=str)  # NaN is no JSON: let the gateway refuse the word
        except ValueError:
            return text
    return text
