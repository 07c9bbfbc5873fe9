"""``/openapi.json`` and ``/docs``, which load nothing from outside this service."""

from importlib.resources import files

from fastapi import APIRouter, Request, Response

from service.api.answers import json_bytes
from service.problems import NotFound
from service.services import services_of

router = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}


@router.get("/openapi.json")
async def openapi_json(request: Request) -> Response:
    """The OpenAPI document."""
    return Response(json_bytes(request.app.openapi()), media_type="application/json")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The reference, drawn from ``/openapi.json`` by the script below."""
    return _if_enabled(request, "reference.html")


@router.get("/docs/reference.css")
async def docs_style() -> Response:
    """Style of the reference."""
    return page("reference.css")


@router.get("/docs/reference.js")
async def docs_script(request: Request) -> Response:
    """Script of the reference."""
    return _if_enabled(request, "reference.js")


def page(name: str) -> Response:
    """One of the files in ``pages``."""
    content = files("service.api.pages").joinpath(name).read_bytes()
    return Response(content, media_type=_MEDIA_TYPES[name.rpartition(".")[2]], headers=_SECURITY_HEADERS)


def _if_enabled(request: Request, name: str) -> Response:
    if not services_of(request).settings.docs:
        raise NotFound
    return page(name)
