"""A Ray that stays on this host: its doors listen on loopback, and those that ask for no token are shut.

Ray replaces 127.0.0.1 by an address that other hosts reach, and then listens on every interface.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private import services

LOOPBACK = "127.0.0.1"
OPENED = "r"
"""Inside our folder, because Ray opens its own, with its sockets, to every user of the host."""
_ONE_HOST = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""What Ray's own processes take for: this host's only name is 127.0.0.1."""
SHUT = {
    # Ray's pages for Prometheus ask nobody for a token, so there are none: -1 is a port that cannot be.
    "RAY_enable_metrics_collection": "0",
    "DASHBOARD_METRIC_PORT": "-1",
    "AUTOSCALER_METRIC_PORT": "-1",
}


def stay(params: Any, head: bool) -> None:
    """What `ray start` calls before it starts anything (RAY_START_HOOK)."""
    services.get_node_ip_address = lambda address=None: LOOPBACK
    # Not in the environment of `ray start` itself: it would refuse to start a worker node.
    os.environ.update(_ONE_HOST)
    params.ray_client_server_port = None  # a door that nobody here uses


@contextmanager
def on_loopback() -> Iterator[None]:
    """The same for a `ray.init` that starts a cluster; what is joined afterwards may be elsewhere."""
    asked, before = services.get_node_ip_address, dict(os.environ)
    services.get_node_ip_address = lambda address=None: LOOPBACK
    os.environ.update(_ONE_HOST | SHUT)
    try:
        yield
    finally:
        services.get_node_ip_address = asked
        for name in _ONE_HOST | SHUT:
            os.environ.pop(name)
            if name in before:
                os.environ[name] = before[name]
