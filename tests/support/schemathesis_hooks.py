"""Parameters that contradict one another, which no schema can say. Such requests have tests of their own."""

import math
import re
from datetime import date
from typing import Any

import schemathesis

from service.api.answer_query import FhirQuery
from service.api.answers import CARRIED, SOUND_PARTS
from service.http.negotiation import FHIR, SVG
from service.pipeline.options import EVERY_FACE


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return math.nan


def _is_day(text: str) -> bool:
    """False where ``text`` looks like a day and is none: the 30th of February."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return not re.fullmatch(r"\d{4}-\d\d-\d\d", text)
    return True


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
    is_form = case.media_type == "multipart/form-data" and isinstance(case.body, dict)
    if is_form and ("url" in case.body or "file" not in case.body):
        return False  # one of both, and no schema knows the hosts that the operator has named
    if ":" in str(query.get("prior", "")):
        return False  # no schema knows the labels of a model
    if query.get("callback") is not None:
        return False  # nor the hosts that the operator has named
    if query.get("domain") is not None:
        return False  # nor its domains
    if (
        case.path == "/v1/profiles"
        and ({"model", "version"} if query.get("kind") == "face" else {"neutral"}) & query.keys()
    ):
        return False  # of the other kind
    parts = {
        *(name for name in SOUND_PARTS if query.get(name) not in (None, "off", False, "false")),
        *(part.strip() for part in str(query.get("include", "")).split(",") if part.strip()),
    }
    if FhirQuery.model_fields.keys() & query.keys():
        if not CARRIED[FHIR] >= parts or query.get("face") == EVERY_FACE:
            return False  # FHIR has no room for these parts
    elif "plot_width_mm" in query and not CARRIED[SVG] >= parts:
        return False  # nor has a plot
    if not _is_day(str(query.get("effective", ""))[:10]):
        return False
    for part in ("audio", "expression"):
        if {f"{part}_model", f"{part}_version"} & query.keys() and part not in str(query.get("include", "")):
            return False
    if _number(query.get("end_s")) <= (_number(query.get("start_s") or 0)):
        return False
    start_s, colon, end_s = str(query.get("neutral", "")).partition(":")
    return not (colon and _number(end_s) <= _number(start_s))


@schemathesis.hook
def map_case(context: schemathesis.HookContext, case: schemathesis.Case) -> schemathesis.Case:
    """Ask for FHIR or a plot wherever a parameter of theirs is given: other answers have no room for it."""
    query = case.query or {}
    if FhirQuery.model_fields.keys() & query.keys():
        case.headers["accept"] = FHIR
        query.pop("plot_width_mm", None)
    elif "plot_width_mm" in query:
        case.headers["accept"] = SVG
    return case


@schemathesis.serializer("text/csv")
def table(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """The generated body as it is: without this it would be left out."""
    if isinstance(value, bytes):
        return value
    return str(getattr(value, "data", value)).encode(errors="replace")
