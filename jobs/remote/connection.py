"""Which gateway, and with which key: options, the environment, ./rnalearner.toml, the user's own file."""

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnalearner.errors import AccessError, InputError
from rnalearner.publish import publish_file

if TYPE_CHECKING:
    from service.client import GatewayClient

Server = Annotated[
    str | None,
    typer.Option("--server", help="Address of the gateway; else RNALEARNER_SERVER, or a config file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


FIRST_S = 5.0
"""A gateway that does not answer so long after it was first asked is not there."""


def connect(server: str | None) -> "GatewayClient":
    """A client; raises AccessError where no key is known, and GatewayError where nobody answers.

    The key is never an option: others see those. Later, when the gateway is known to be there, it is
    waited for much longer: it may be starting anew.
    """
    from service.client import GatewayClient

    known = _from_files()
    server = server or os.environ.get("RNALEARNER_SERVER") or known.get("server") or "http://127.0.0.1:8440"
    key = os.environ.get("RNALEARNER_KEY") or known.get("key")
    if not key:
        remedy = f"set RNALEARNER_KEY, or write `key = ...` to {user_file()}"
        raise AccessError(server, "no key is known for it", remedy)
    client = GatewayClient(server, key)
    patience_s, client.away_s = client.away_s, FIRST_S
    client.get("/healthz")
    client.away_s = patience_s
    return client


def user_file() -> Path:
    """The user's own file, which `rnalearner serve` writes on its first start."""
    from platformdirs import user_config_path

    return user_config_path("rnalearner") / "client.toml"


def write_private(target: Path, text: str) -> None:
    """A file that its owner alone may read, whole or not at all."""
    with publish_file(target) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)


def _from_files() -> dict[str, Any]:
    for path in (Path("rnalearner.toml"), user_file()):
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise InputError(path, f"cannot be read ({error})", "mend it, or remove it") from None
    return {}
