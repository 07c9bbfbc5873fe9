"""``/``, ``/page/…`` and ``/favicon.ico``: the web page, its style, its scripts and its picture.

They are the same for everybody and tell nothing, so browsers may keep them: with ``no-cache`` and an ``ETag`` a
browser asks whether its copy still holds (RFC 9111, section 5.2.2.4).
"""

import hashlib
from html import escape
from importlib.resources import files
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from service.http.exchange import exchange_of
from service.problems import NotFound

router = APIRouter(include_in_schema=False)

MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
"""Media types by the ending of a file's name; files of other kinds are not served."""

_HEAD = b"<head>\n"

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; media-src blob:; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/")
async def landing(request: Request) -> Response:
    """The web page, which knows the path below which it lies, if any: a proxy may open it without the last slash."""
    content = _content("index.html")
    if prefix := request.scope.get("root_path", ""):
        content = content.replace(_HEAD, _HEAD + f'<base href="{escape(quote(prefix))}/">\n'.encode(), 1)
    return _answer(request, content, "text/html")


@router.get("/favicon.ico")
async def icon(request: Request) -> Response:
    """The picture that browsers ask for beside documents that name none, such as JSON."""
    return _file(request, "icon.svg", MEDIA_TYPES["svg"])


@router.get("/page/{name}")
async def page_file(request: Request, name: str) -> Response:
    """A style, script or picture of the web page. Raises NotFound if there is none of that name."""
    media_type = MEDIA_TYPES.get(name.rpartition(".")[2])
    if media_type is None:
        raise NotFound
    return _file(request, name, media_type)


def _file(request: Request, name: str, media_type: str) -> Response:
    return _answer(request, _content(name), media_type)


def _content(name: str) -> bytes:
    for file in files("service.api.pages.page").iterdir():
        if file.name == name:
            return file.read_bytes()
    raise NotFound


def _answer(request: Request, content: bytes, media_type: str) -> Response:
    exchange_of(request.scope).cache_control = "no-cache"
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Content-Security-Policy": _CONTENT_SECURITY_POLICY}
    if _has(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


def _has(request: Request, tag: str) -> bool:
    """Whether the client's copy is the one with this tag, by the weak comparison of ``If-None-Match``."""
    tags = ",".join(request.headers.getlist("if-none-match")).split(",")
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in tags)
