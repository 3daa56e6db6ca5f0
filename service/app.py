"""The gateway as an ASGI app: what it is made of, started and stopped in order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from prometheus_client import CollectorRegistry

import rnalearner
from service import problems
from service.datasets.validation import Validator
from service.gateway import Gateway
from service.jobs.bulletin import Bulletin
from service.jobs.supervisor import Supervisor
from service.pages import cluster as cluster_page
from service.pages import dataset, docs, home, job, model, signing
from service.pages.static_files import PageFiles
from service.routes import cluster, datasets, events, health, jobs, keys, models, results, uploads
from service.schemas.base import Problem
from service.settings import Settings
from service.store.database import Database
from service.store.keys import KeyRing
from service.submitter import JobSubmitter
from service.web.access import Access
from service.web.figures import Figures
from service.web.rate import Rates

_ALWAYS = problems.problems(400, 413, 414, 422, 431, 500)
_WITH_KEY = _ALWAYS | problems.problems(401, 403, 408, 429, 503, 507)
_SUMMARY = "Learn from public RNA-seq, then classify a tiny labelled set: datasets, jobs, models."


def create_app(settings: Settings, submitter: JobSubmitter) -> FastAPI:
    """The app; its lifespan migrates the database and runs validator and supervisor.

    `submitter` stays its maker's to close.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.url)
    bulletin = Bulletin()
    gateway = Gateway(
        settings=settings,
        database=database,
        keys=KeyRing(database),
        submitter=submitter,
        supervisor=Supervisor(settings, database, submitter, bulletin),
        validator=Validator(settings, database),
        bulletin=bulletin,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        database.migrate()
        gateway.validator.start()
        gateway.supervisor.start()
        try:
            yield
        finally:
            gateway.supervisor.stop()
            gateway.validator.stop()
            database.close()

    app = FastAPI(
        title="RNALearner gateway",
        summary=_SUMMARY,
        version=rnalearner.__version__,
        lifespan=lifespan,
        # A redirect would be built from the request's Host, which anybody may choose.
        redirect_slashes=False,
        # FastAPI's own page of the description asks other hosts for its scripts.
        docs_url=None,
        redoc_url=None,
    )
    registry = CollectorRegistry()
    registry.register(Figures(gateway))
    app.state.gateway, app.state.registry, app.state.rates = gateway, registry, Rates(settings)
    app.add_middleware(Access, registry=registry, hosts=settings.hosts)
    problems.install(app)
    app.include_router(health.router, responses=_ALWAYS)
    for room in (keys, uploads, datasets, jobs, events, results, models, cluster):
        app.include_router(room.router, responses=_WITH_KEY)
    for shown in (home, dataset, job, model, cluster_page, signing, docs):
        app.include_router(shown.router)
    app.mount("/static", PageFiles())
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's own, with the one schema that all problems share."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        schemas = schema["components"]["schemas"]
        app.openapi_schema = schema | {
            "components": {
                **schema["components"],
                "schemas": {**problem.pop("$defs"), **schemas, "Problem": problem},
            }
        }
    return app.openapi_schema
