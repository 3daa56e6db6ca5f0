"""A stranger at the doors of a running Ray: which there are, what can be asked, what is answered.

Nothing here is a typed list of routes. Doors are what the processes of that Ray listen on. HTTP routes are
those that its own servers wrote into their logs when they registered them, with their number; the
runtime-env agent writes none, so its source is read. gRPC methods are those of Ray's protocol files and
those whose names stand in its two binaries, the object manager's among them.
"""

import ast
import importlib
import ipaddress
import pkgutil
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import psutil
import ray.core.generated
from ray._private.runtime_env.agent import main as runtime_env_agent

RAY = Path(ray.__file__).parent
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HEALTH = "/grpc.health.v1.Health/Check"
SYNC = "/ray.rpc.syncer.RaySyncer/StartSync"
NOBODYS = "/a/path/that/nobody/registered"


@dataclass(frozen=True)
class Door:
    """A listening TCP socket; `http` where it speaks that, else gRPC."""

    host: str
    port: int
    http: bool
    owner: str


def listeners(processes: Iterable[psutil.Process]) -> set[tuple[str, int, str]]:
    """Address, port and process of each listening socket."""
    found = set()
    for process in processes:
        for connection in process.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                found.add((connection.laddr.ip, connection.laddr.port, process.name()))
    return found


def is_loopback(host: str) -> bool:
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def doors(processes: Iterable[psutil.Process]) -> list[Door]:
    """One door a port, reached as a neighbour on this host would."""
    found = {}
    for host, port, owner in sorted(listeners(processes)):
        reached = "127.0.0.1" if host in ("::", "0.0.0.0") else host.removeprefix("::ffff:")
        found[port] = Door(reached, port, speaks_http(reached, port), owner)
    return list(found.values())


def speaks_http(host: str, port: int) -> bool:
    try:
        httpx.get(f"http://{host}:{port}{NOBODYS}", timeout=20)
    except httpx.RemoteProtocolError:
        return False
    return True


def http_routes(logs: Path) -> dict[str, set[str]]:
    """Methods by path, of all that the HTTP servers of this Ray registered."""
    routes: dict[str, set[str]] = defaultdict(set)
    for log in logs.glob("dashboard*.log"):
        text = log.read_text()
        lines = re.findall(r"<ResourceRoute \[(\w+)\] <\w+Resource  (\S+?)(?:>| ->)", text)
        assert len(lines) == sum(map(int, re.findall(r"Registered (\d+) routes", text))), log
        for method, path in lines:
            routes[path].add(method)
    for method, path in runtime_env_routes():
        routes[path].add(method)
    routes["/metrics"].add("GET")  # Prometheus' page, on whichever door
    routes[NOBODYS].update(METHODS)
    return dict(routes)


def runtime_env_routes() -> list[tuple[str, str]]:
    """Method and path of each `app.router.add_*` in the agent's source."""
    source = Path(runtime_env_agent.__file__).read_text()
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    found = [
        (call.func.attr.removeprefix("add_").upper(), call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) == "app.router"
        and isinstance(call.args[0], ast.Constant)
    ]
    assert len(found) == source.count("router.add_") > 0
    return [(method, str(path)) for method, path in found]


def knock_http(
    door: Door, routes: Mapping[str, set[str]], headers: Mapping[str, str]
) -> dict[tuple[str, str], httpx.Response]:
    """What is answered to each method of each route, to GET, HEAD and POST of each, by this door."""
    answers = {}
    with httpx.Client(base_url=f"http://{door.host}:{door.port}", timeout=30) as stranger:
        for path, methods in routes.items():
            filled = re.sub(r"{\w+}", "x", path)
            filled += "/x" if path in ("/static", "/logs") else ""
            for method in methods | {"GET", "HEAD", "POST"}:
                answers[method, filled] = stranger.request(method, filled, headers=headers)
    return answers


def grpc_methods() -> set[str]:
    """Every /package.Service/Method that Ray's protocol files or its binaries name."""
    found = set()
    for module in pkgutil.iter_modules(ray.core.generated.__path__, "ray.core.generated."):
        if module.name.endswith("_pb2"):
            services = importlib.import_module(module.name).DESCRIPTOR.services_by_name.values()
            found |= {
                f"/{service.full_name}/{name}" for service in services for name in service.methods_by_name
            }
    for binary in ("gcs/gcs_server", "raylet/raylet"):
        names = re.findall(rb"/ray\.rpc\.[\w.]+/\w+", (RAY / "core" / "src" / "ray" / binary).read_bytes())
        assert len(names) > 50, binary
        found |= {name.decode() for name in names}
    return found


def knock_grpc(door: Door, methods: Iterable[str], token: str | None) -> Counter[str]:
    """How often each status was answered to an empty request."""
    metadata = [("node_id", "0" * 56)]  # the GCS dies of a StartSync without one, whoever asks
    if token is not None:
        metadata.append(("authorization", f"Bearer {token}"))
    answers: Counter[str] = Counter()
    with grpc.insecure_channel(f"{door.host}:{door.port}") as channel:
        for method in methods:
            try:
                channel.unary_unary(method)(b"", timeout=30, metadata=metadata)
                answers[f"OK {method}"] += 1
            except grpc.RpcError as refused:
                answers[refused.code().name] += 1
    return answers
