"""What people call things: a name, the beginning of an id, a label; the newest one where several fit."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rnalearner.errors import InputError

if TYPE_CHECKING:
    from service.client import GatewayClient


def find_dataset(client: "GatewayClient", word: str) -> dict[str, Any]:
    """By id, its beginning (six characters or more), or name; raises InputError naming some there are."""
    return _find(client.pages("/v1/datasets"), word, "name", "dataset", "rnalearner data list")


def find_job(client: "GatewayClient", word: str) -> dict[str, Any]:
    """By id, its beginning, or label; `last` is the newest one of all."""
    return _find(client.pages("/v1/jobs"), word, "label", "job", "rnalearner job list")


def _find(items: Iterable[dict[str, Any]], word: str, called: str, kind: str, listing: str) -> dict[str, Any]:
    begin = word.removeprefix("job-")
    for item in items if word else ():  # newest first; an empty shell variable names nothing
        begins = len(begin) >= 6 and item["id"].removeprefix("job-").startswith(begin)
        if word == "last" or word in (item["id"], item[called]) or begins:
            return item
    raise InputError(word, f"is no {kind} of yours", f"see `{listing}`")
