"""Parameters that contradict one another, which no schema can say. Such requests have tests of their own."""

import math
from typing import Any

import schemathesis


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Leave out ends that lie before their beginning; whatever is no number stays in.

    A speech model without ``include=audio`` contradicts itself, too.
    """
    query = case.query or {}
    documents = {"profile", "neutral"}
    if any(query.get(name) == "document" for name in documents):
        return False
    if isinstance(case.body, dict) and documents & case.body.keys():
        return False  # no schema draws the numbers of a profile
    if ":" in str(query.get("prior", "")):
        return False  # no schema knows the labels of a model
    if query.get("domain") is not None:
        return False  # nor its domains
    if (
        case.path == "/v1/profiles"
        and ({"model", "version"} if query.get("kind") == "face" else {"neutral"}) & query.keys()
    ):
        return False  # of the other kind
    if {"audio_model", "audio_version"} & query.keys() and "audio" not in str(query.get("include", "")):
        return False
    if _number(query.get("end_s")) <= (_number(query.get("start_s") or 0)):
        return False
    start_s, colon, end_s = str(query.get("neutral", "")).partition(":")
    return not (colon and _number(end_s) <= _number(start_s))


@schemathesis.serializer("text/csv")
def table(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """The generated body as it is: without this it would be left out."""
    if isinstance(value, bytes):
        return value
    return str(getattr(value, "data", value)).encode(errors="replace")
