"""OpenAPI texts of credentials: schemes, scopes, and the refusals 401, 403 and 429."""

from typing import Any

from service.access.caller import OPEN_PREFIX, required_scope
from service.api.openapi.documentation import problem_responses
from service.problems import Forbidden, RateLimited, Unauthenticated

_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or a JSON Web Token of the issuer that the service trusts.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}


def describe_security(document: dict[str, Any], *, required: bool) -> None:
    """Add security schemes and refusals to an OpenAPI document.

    Args:
        document: changed in place.
        required: whether the service has credentials set up; otherwise they are optional.
    """
    document["components"]["securitySchemes"] = _SCHEMES
    choices: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES]
    document["security"] = choices if required else [{}, *choices]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith(OPEN_PREFIX):
                operation["security"] = []
            else:
                _describe(operation, required_scope(path), is_work=method == "post")


def _describe(operation: dict[str, Any], scope: str | None, *, is_work: bool) -> None:
    """Refusals of one operation, and the scope that it needs."""
    kinds = [Unauthenticated, Forbidden, *([RateLimited] if scope == "analyse" and is_work else [])]
    headers = operation["responses"]["default"]["headers"]
    for status, response in problem_responses(*kinds).items():
        operation["responses"].setdefault(str(status), {**response, "headers": headers})
    if scope is not None:
        operation["x-required-scope"] = scope
