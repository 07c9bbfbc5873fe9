"""``/v1/fhir``: the codes that FHIR answers use."""

from fastapi import APIRouter, Request, Response

from service.api.answer_query import fhir_version
from service.api.openapi.documentation import NOT_FOUND_RESPONSES, problem_responses
from service.api.upload_answer import answer_media_type
from service.http.negotiation import FHIR, JSON
from service.problems import NotAcceptable, NotFound, Unavailable
from service.render.fhir.request import FhirRequest
from service.services import services_of

router = APIRouter(tags=["about"])


@router.get(
    "/v1/fhir/{kind}/{name}",
    operation_id="read_fhir_terminology",
    summary="Codes of FHIR answers",
    responses={
        200: {
            "description": "The resource.",
            "content": {FHIR: {"schema": {"type": "object", "required": ["resourceType", "url"]}}},
        },
        **NOT_FOUND_RESPONSES,
        **problem_responses(NotFound, NotAcceptable, Unavailable),
    },
    response_class=Response,
)
def read_fhir_terminology(request: Request, kind: str, name: str) -> Response:
    """`CodeSystem/emoserve`, `ValueSet/emoserve` and `ValueSet/emoserve-emotions`: all codes of FHIR answers."""
    from service.render.fhir.terminology import RESOURCES, terminology

    media_type = answer_media_type(request, (FHIR, JSON))
    if (kind, name) not in RESOURCES:
        known = ", ".join("/".join(pair) for pair in RESOURCES)
        raise NotFound(f"There is {known}.")
    services = services_of(request)
    cards = [bundle.card for bundle in services.loaded.registry.bundles]
    labels = sorted({label for card in cards for label in card.labels})
    channels = ["left", "right", *map(str, range(services.settings.limits.max_channels))]
    version = fhir_version(media_type) if media_type.startswith(FHIR) else FhirRequest().version
    return Response(terminology(kind, name, labels, channels, version), media_type=media_type)
