"""Problems as RFC 9457 answers."""

import difflib
import math
from collections.abc import Collection

import orjson
from fastapi import Response
from starlette.types import Scope

from service.access.caller import path_of
from service.http.exchange import exchange_of
from service.problems import Problem

PROTOCOL_PREFIX = "/v2/"
"""Prefix of the addresses of the Open Inference Protocol."""

MEDIA_TYPE = "application/problem+json"


def problem_type(code: str) -> str:
    """The problem's ``type``: the address that describes it, relative to the service."""
    return f"/v1/problems/{code}"


def problem_document(problem: Problem, request_id: str) -> dict[str, object]:
    """Members of the answer for ``problem``."""
    document: dict[str, object] = {
        "type": problem_type(problem.code),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": f"urn:emoserve:request:{request_id}",
        "code": problem.code,
        "request_id": request_id,
    }
    errors = getattr(problem, "errors", None) or (
        [{"pointer": problem.pointer, "detail": problem.detail}] if problem.pointer else []
    )
    if errors:
        document["errors"] = errors
    return document


def problem_headers(problem: Problem) -> dict[str, str]:
    """Headers that go with the problem's status."""
    headers = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(problem.retry_after_s)))
    if problem.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="emoserve"'
    return headers


def problem_response(problem: Problem, scope: Scope, headers: dict[str, str] | None = None) -> Response:
    """The whole answer for ``problem``, with more ``headers`` where there are any.

    Clients of the Open Inference Protocol read the member ``error`` alone.
    """
    document = problem_document(problem, exchange_of(scope).request_id)
    if path_of(scope).startswith(PROTOCOL_PREFIX):
        document["error"] = problem.detail
    return Response(
        orjson.dumps(document),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={**problem_headers(problem), **(headers or {})},
    )


def pointer_to(*path: object) -> str:
    """JSON pointer (RFC 6901) to ``path``."""
    return "".join("/" + str(part)[:64].replace("~", "~0").replace("/", "~1") for part in path)


def no_such(what: str, name: object, known: Collection[str]) -> str:
    """The sentence for a ``what`` of an unknown name: the known one that it is most like, or all of them."""
    alike = difflib.get_close_matches(str(name)[:64], known, n=1)
    if alike:
        return f"There is no such {what}. Did you mean '{alike[0]}'?"
    return f"There is no such {what}. There are: {', '.join(sorted(known))}."
