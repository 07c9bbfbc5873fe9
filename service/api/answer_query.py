"""Query parameters of an answer's form."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.answers import PLOT_KINDS, AnswerForm
from service.api.parameters import checked_by
from service.http.negotiation import FHIR, PDF, SVG
from service.problems import NotAcceptable
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
from service.render.plot_style import LEAST_WIDTH_MM, MOST_WIDTH_MM, PRINT_WIDTH_MM, PlotForm


def fhir_version(media_type: str) -> str:
    """The value of ``fhirVersion`` in a media type as :func:`~service.api.upload_answer.answer_media_type` gives it."""
    return media_type.rpartition("=")[2]


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


class AnswerQuery(FhirQuery):
    """Query parameters of one form of answer each."""

    plot_width_mm: float = Field(
        PRINT_WIDTH_MM,
        ge=LEAST_WIDTH_MM,
        le=MOST_WIDTH_MM,
        allow_inf_nan=False,
        description="Of a plot in SVG or PDF: its width in print, in millimetres.",
    )

    def form(self, media_type: str, analysis: str | None = None) -> AnswerForm:
        """How the answer is made; ``analysis`` as in :class:`FhirRequest`.

        Raises:
            NotAcceptable: a parameter is no default, which generated clients send, and belongs to another form.
        """
        fhir = self.fhir(media_type, analysis)
        if self.plot_width_mm != PRINT_WIDTH_MM and media_type not in (SVG, PDF):
            raise NotAcceptable(f"{media_type} has no room for plot_width_mm. Ask for {SVG} or {PDF}.")
        return AnswerForm(media_type, fhir, PlotForm(PLOT_KINDS.get(media_type, "png"), self.plot_width_mm))
