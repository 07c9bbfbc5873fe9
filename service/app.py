"""The application: routers, middleware, error handlers, and the life of its services."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from service import __version__
from service.api import (
    about,
    action_units,
    audio,
    docs,
    embedding,
    fhir,
    health,
    inference,
    jobs,
    models,
    page,
    profiles,
    streams,
    video,
)
from service.api.answers import warm_up_rendering
from service.api.openapi.documentation import openapi_document
from service.api.openapi.security import describe_security
from service.api.parameters import parameter_errors, parameter_names
from service.http.envelope import Envelope
from service.http.exchange import exchange_of
from service.http.guard import Guard
from service.http.problem_response import problem_response
from service.http.site import Site
from service.http.tensors import INFERENCE_HEADER
from service.problems import InternalError, Malformed, MethodNotAllowed, NotFound, Problem
from service.rollout import CANARY_HEADER
from service.services import Services
from service.settings import Settings
from service.telemetry.logs import describe_exception, service_logger

_ROUTERS = (
    *(audio, embedding, profiles, video, action_units, jobs, streams),
    *(models, inference, about, fhir, health, docs, page),
)

_METHODS = ("GET", "HEAD", "POST", "DELETE")
_REQUEST_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", INFERENCE_HEADER, "Last-Event-ID", "X-API-Key"),
    *(CANARY_HEADER, "X-Request-Id"),
)
_ANSWER_HEADERS = (
    *(INFERENCE_HEADER, "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "Server-Timing"),
    "X-Request-Id",
)


def create_app(settings: Settings, services: Services | None = None) -> FastAPI:
    """Build the application.

    Args:
        settings: how to run.
        services: with models loaded already, for tests; otherwise loading begins when the application starts,
            and readiness says 503 until it is done.
    """
    services = services or Services(settings)
    app = FastAPI(
        title="Emoserve",
        version=__version__,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={
            Problem: _on_problem,
            RequestValidationError: _on_validation_error,
            HTTPException: _on_http_exception,
        },
    )
    app.state.services = services
    routes = _all_routes()
    app.add_middleware(
        Guard,
        site=Site(settings),
        authenticator=services.authenticator,
        accounts=services.accounts,
        audit=services.audit,
        metrics=services.metrics,
        routes=routes,
    )
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, **cross_origin_rules(settings.cors_origins))
    app.add_middleware(
        Envelope,
        metrics=services.metrics,
        audit=services.audit,
        tracer=services.tracer,
        max_header_bytes=settings.limits.max_header_bytes,
        is_secure=settings.ssl_certfile is not None,
    )
    app.add_middleware(ModelsHeld, services=services)
    if settings.root_path:
        app.add_middleware(Prefix, prefix=settings.root_path, addresses=[route.path for route in routes])
    for module in _ROUTERS:
        app.include_router(module.router)
    app.openapi = _cached_openapi(app)  # type: ignore[method-assign]
    return app


def _all_routes() -> list[Any]:
    return [route for module in _ROUTERS for route in module.router.routes]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    loading = asyncio.create_task(_load(services)) if services.needs_start else None
    try:
        yield
    finally:
        if loading is not None:
            await loading
        await asyncio.to_thread(services.close)


async def _load(services: Services) -> None:
    """Load in a thread, so that the liveness probe is answered meanwhile."""
    try:
        # Plots are warmed up beside the models, which wait for disk and device most of the time.
        await asyncio.gather(asyncio.to_thread(services.start), asyncio.to_thread(warm_up_rendering))
    except Exception as error:
        reason = " ".join(str(error).split())  # one line; no request was served, so it quotes no upload
        fields = {"reason": reason, **describe_exception(type(error), error.__traceback__)}
        service_logger.error("could not start", extra={"fields": fields})
        services.health.failed()
    else:
        service_logger.info("ready", extra={"fields": {"provider": services.loaded.pipeline.provider}})
        await asyncio.to_thread(services.start_jobs)


def _cached_openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            services: Services = app.state.services
            app.openapi_schema = openapi_document(app)
            describe_security(app.openapi_schema, required=services.authenticator.is_required)
        return app.openapi_schema

    return openapi


def _answer(request: Request, problem: Problem, headers: dict[str, str] | None = None) -> Response:
    exchange_of(request.scope).code = problem.code
    return problem_response(problem, request.scope, headers)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, parameter_errors(error.errors(), parameter_names(request.scope.get("route"))))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses."""
    assert isinstance(error, HTTPException)
    kinds: dict[int, Callable[[], Problem]] = {404: NotFound, 405: MethodNotAllowed, 400: Malformed}
    headers = dict(error.headers or {})
    if "Allow" in headers:  # the framework names the methods of one route alone
        routes = [route for route in _all_routes() if route.matches(request.scope)[0] is not Match.NONE]
        methods = {method for route in routes for method in getattr(route, "methods", None) or ()}
        headers["Allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    return _answer(request, kinds.get(error.status_code, InternalError)(), headers)


def cross_origin_rules(origins: Sequence[str]) -> dict[str, Any]:
    """Arguments of Starlette's ``CORSMiddleware``: pages of these origins may call. Cookies are never taken."""
    return {
        "allow_origins": list(origins),
        "allow_methods": list(_METHODS),
        "allow_headers": list(_REQUEST_HEADERS),
        "expose_headers": list(_ANSWER_HEADERS),
        "allow_credentials": False,
    }


class ModelsHeld:
    """ASGI middleware: models that a request or stream began with stay open until it ends."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket; the application's own life passes through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        with self._services.models_held():
            await self._app(scope, receive, send)


class Prefix:
    """ASGI middleware outside all others: afterwards ``path`` begins with ``root_path``, as ASGI requires.

    Requests arrive with the prefix (from a proxy that passes them on unchanged, or from the page of a service without
    its proxy) and without (from a proxy that cuts it off). Where the service has addresses below the prefix itself,
    such as ``/v1``, the two look alike; then the prefix counts as cut off. ``prefix`` begins with a slash and ends
    without one.
    """

    def __init__(self, app: ASGIApp, prefix: str, addresses: Iterable[str]) -> None:
        self._app = app
        self._prefix = prefix
        self._is_told_apart = not any(f"{address}/".startswith(f"{prefix}/") for address in addresses)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket; the application's own life passes through."""
        if scope["type"] in ("http", "websocket"):
            path: str = scope["path"]
            if not (self._is_told_apart and f"{path}/".startswith(f"{self._prefix}/")):
                path = self._prefix + path
            elif path == self._prefix:
                path += "/"
            scope = {**scope, "root_path": self._prefix, "path": path}
        await self._app(scope, receive, send)
