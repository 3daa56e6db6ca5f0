"""What /metrics says of the work, read when it is asked for."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Column, Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from service.gateway import Gateway
from service.store.tables import datasets, jobs


class Figures(Collector):
    """Jobs and datasets by state, and whether the cluster answers."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """No figures: else they were read once at registration, before there is a database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        health = self._gateway.supervisor.health
        answers = health["seen"] is not None and health["cluster"] is None
        yield GaugeMetricFamily("rnalearner_cluster_up", "The cluster answered the last look", value=answers)
        try:
            with self._gateway.database.read() as connection:
                yield _counted(connection, "rnalearner_jobs", jobs.c.kind, jobs.c.status)
                yield _counted(connection, "rnalearner_datasets", datasets.c.state)
        except SQLAlchemyError:
            pass  # the figures of the requests are worth having without the database


def _counted(connection: Connection, name: str, *columns: "Column[str]") -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, "By state", labels=[column.name for column in columns])
    for *labels, n in connection.execute(select(*columns, func.count()).group_by(*columns)):
        family.add_metric(labels, n)
    return family
