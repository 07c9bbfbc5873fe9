"""Parameters of FHIR answers, and ``/v1/fhir``: the codes that they use."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.answers import fhir_version
from service.api.openapi.documentation import NOT_FOUND_RESPONSES, problem_responses
from service.api.parameters import checked_by
from service.api.upload_answer import answer_media_type
from service.http.negotiation import FHIR, JSON
from service.problems import NotAcceptable, NotFound, Unavailable
from service.render.fhir.request import (
    EFFECTIVE,
    ENCOUNTER,
    IDENTIFIER,
    SUBJECT,
    FhirRequest,
    check_effective,
    check_encounter,
    check_identifier,
    check_subject,
)
from service.services import services_of

router = APIRouter(tags=["about"])


class FhirQuery(BaseModel):
    """Query parameters of answers in FHIR, and of no others."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    bundle: Literal["collection", "transaction"] = Field(
        "collection",
        description="Of a FHIR answer: `collection`, or `transaction` to POST to a FHIR server, which creates each "
        "resource unless it has it already.",
    )
    subject: Annotated[str, checked_by(check_subject)] | None = Field(
        None,
        max_length=512,
        description="Of a FHIR answer: reference to the person or group, `Patient/ID`, relative or absolute.",
        examples=["Patient/17"],
        json_schema_extra={"pattern": f"^(?:{SUBJECT.pattern})$"},
    )
    encounter: Annotated[str, checked_by(check_encounter)] | None = Field(
        None,
        max_length=512,
        description="Of a FHIR answer: reference to the visit, `Encounter/ID`, relative or absolute.",
        examples=["Encounter/4"],
        json_schema_extra={"pattern": f"^(?:{ENCOUNTER.pattern})$"},
    )
    effective: Annotated[str, checked_by(check_effective)] | None = Field(
        None,
        max_length=64,
        description="Of a FHIR answer: when the recording began, a FHIR dateTime. A moment becomes the period of the "
        "recording, a day, month or year stays one.",
        examples=["2026-03-01T12:00:00Z"],
        json_schema_extra={"pattern": f"^(?:{EFFECTIVE.pattern})$"},
    )
    identifier: Annotated[str, checked_by(check_identifier)] | None = Field(
        None,
        max_length=512,
        description="Of a FHIR answer: your own name of the recording, `SYSTEM|VALUE`. Identifiers of the observations "
        "derive from it and the models, so that a resent transaction creates nothing twice.",
        examples=["https://clinic.example/recordings|17"],
        json_schema_extra={"pattern": f"^(?:{IDENTIFIER.pattern})$"},
    )
    summary_only: bool = Field(
        False, description="Of a FHIR answer: values of the whole recording alone, without series."
    )

    def fhir(self, media_type: str, analysis: str | None = None) -> FhirRequest:
        """Contents of a bundle; ``analysis`` as in :class:`FhirRequest`.

        Raises:
            NotAcceptable: a parameter is no default, which generated clients send, and the answer is no FHIR.
        """
        given = self.model_dump(include=set(FhirQuery.model_fields), exclude_defaults=True)
        if media_type.startswith(FHIR):
            return FhirRequest(version=fhir_version(media_type), analysis=analysis, **given)
        if given:
            raise NotAcceptable(f"{media_type} has no room for {', '.join(sorted(given))}. Ask for {FHIR}.")
        return FhirRequest()


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
