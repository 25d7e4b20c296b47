"""The application factory, ``uvicorn --factory app.main:create_app``, and the front end's composition root.

Nothing else in ``app`` connects to Redis, opens the storage or makes repositories of records.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.openapi.utils import get_openapi

from app import problems
from app.contracts.admin_keys import key_digests
from app.contracts.generator_limits import Allowance
from app.contracts.problems import ProblemDocument
from app.contracts.records.datasets import Datasets
from app.contracts.records.generator_store import Generators
from app.contracts.records.jobs import Jobs
from app.contracts.records.trainings import Trainings
from app.contracts.records.versions import Versions
from app.contracts.redis.connection import connect
from app.contracts.redis.leases import JobLeases
from app.contracts.settings import Settings, load_settings
from app.contracts.storage import storage_of
from app.contracts.storage.blobs import Blobs
from app.guards.admission import UploadMemory
from app.guards.framing import Framing
from app.guards.hosts import Hosts
from app.guards.limits import Limiter
from app.guards.nosniff import NoSniff
from app.guards.slow_bodies import SlowBodies
from app.head_requests import HeadRequests
from app.metrics import RequestMetrics, SharedFigures
from app.routes import admin, batches, events, health, limits, page, perturbations, previews, protections
from app.routes.events import Changes
from app.service import Service
from app.tasks import CeleryQueue


def create_app(settings: Settings | None = None) -> FastAPI:
    """The front end on the configured Redis and blob store.

    Raises:
        BadSettings: the environment lacks something; the message names it.
    """
    chosen = settings or load_settings()
    redis = connect(chosen)
    queue = CeleryQueue(chosen)
    storage = storage_of(chosen)
    versions = Versions(storage, redis)
    service = Service(chosen, redis, Jobs(redis, chosen), Blobs(storage), versions, queue)
    administration = admin.Administration(
        settings=chosen,
        redis=redis,
        queue=queue,
        trainings=Trainings(redis),
        versions=versions,
        datasets=Datasets(storage, redis),
        generators=Generators(storage, redis, Allowance.of(chosen)),
        keys=key_digests(chosen.admin_keys),
        incoming=chosen.data_dir / "incoming",
    )
    # at least half of all connections are left to those who ask for something
    changes = Changes(redis, most=max(1, chosen.max_connections // 2))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        changes.start()
        yield
        await run_in_threadpool(changes.stop)
        queue.close()
        redis.close()

    app = FastAPI(
        title="Poise",
        summary="Protects photos of people against deepfake generators.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # a redirect would repeat the id of a result in a header
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.changes = changes
    app.state.administration = administration
    app.state.limiter = Limiter(redis, chosen)
    app.state.upload_memory = UploadMemory(chosen.max_arriving_bytes)
    problems.install(app)
    app.add_middleware(SlowBodies, seconds=chosen.stall_seconds)
    app.add_middleware(Hosts, allowed=chosen.allowed_hosts)
    app.add_middleware(Framing)
    app.add_middleware(RequestMetrics)
    app.add_middleware(HeadRequests)
    app.add_middleware(NoSniff)
    for router in (
        protections.router,
        events.router,
        previews.router,
        batches.router,
        perturbations.router,
        limits.router,
        admin.router,
        health.router,
        page.router,
    ):
        app.include_router(router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@contextmanager
def shared_figures(settings: Settings) -> Iterator[SharedFigures]:
    """What Redis knows, on a connection of its own: scrapes are answered by a thread beside the application."""
    with connect(settings) as redis:
        yield SharedFigures(redis, JobLeases(redis), Trainings(redis))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; FastAPI's own validation errors are problems here."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for path in document["paths"].values():
            for operation in path.values():
                refused = operation["responses"].get("422", {})
                if "application/json" in refused.get("content", {}):
                    operation["responses"].pop("422")
                    operation["responses"].update({str(k): v for k, v in problems.documented(422).items()})
        app.openapi_schema = document
    return app.openapi_schema
