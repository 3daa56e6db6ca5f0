"""What keeps the gateway from being ready; nothing here waits on the cluster."""

import shutil

from sqlalchemy.exc import SQLAlchemyError

from service.gateway import Gateway
from service.schemas.base import Fault


def faults(gateway: Gateway) -> list[Fault]:
    """Each thing that keeps it from taking work; none if it is ready."""
    checks = {"database": _database(gateway), "disk": _disk(gateway), "cluster": _cluster(gateway)}
    return [fault for fault in checks.values() if fault is not None]


def _database(gateway: Gateway) -> Fault | None:
    try:
        gateway.database.check()
    except SQLAlchemyError as error:
        cause = type(error).__name__
        return Fault(where="database", what=f"cannot be written ({cause})", remedy="see the gateway's log")
    return None


def _disk(gateway: Gateway) -> Fault | None:
    free_mb = shutil.disk_usage(gateway.settings.data).free >> 20
    if free_mb >= gateway.settings.min_free_mb:
        return None
    what = f"{free_mb} MB are free, fewer than {gateway.settings.min_free_mb}"
    return Fault(where="disk", what=what, remedy="make room in the data folder")


def _cluster(gateway: Gateway) -> Fault | None:
    """By the supervisor's last look."""
    health = gateway.supervisor.health
    what = health["cluster"] if health["seen"] is not None else "was not looked at yet"
    if what is None:
        return None
    return Fault(where="cluster", what=what.rstrip("."), remedy="jobs wait until it answers")
