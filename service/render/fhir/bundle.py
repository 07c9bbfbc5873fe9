"""The FHIR answer: one validated Bundle of observations, devices (the models) and provenance.

Resources are built as documents and validated by fhir.resources, which rejects members that the release does not know.
Its import takes a third of a second, so it happens with the first FHIR answer.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from service.render.fhir.findings import SPEECH, Findings
from service.render.fhir.request import FhirRequest
from service.render.fhir.resources import (
    Context,
    Resource,
    all_notes,
    device,
    emotion_observation,
    has_summary,
    provenance,
    series_observation,
    uuid_identifier,
)

RELEASES = {"4.0": "R4B", "4.3": "R4B", "5.0": "R5"}
"""Releases by ``fhirVersion``. The members used of R4B (4.3) are the same in R4 (4.0)."""


def fhir_bundle(findings: Findings, request_id: str, request: FhirRequest, recorded: datetime | None = None) -> bytes:
    """Render ``findings`` as a Bundle.

    A transaction creates observations and devices unless the server has them already, by their identifiers. It has no
    Provenance: FHIR gives that no identifier, so a resent one would be stored twice.

    Args:
        findings: the result to render.
        request_id: id of the request; addresses in the bundle derive from it and the time.
        request: form of the bundle, and what the caller knows of the recording.
        recorded: time of the estimate; now if None.

    Returns:
        JSON, UTF-8.
    """
    release = RELEASES[request.version]
    moment = (recorded or datetime.now(UTC)).isoformat(timespec="milliseconds")
    address = _addresses(f"{request_id}/{moment}")
    makers = {part: address(f"device/{part}") for part in findings.models}
    devices = {makers[part]: device(part, model, release) for part, model in findings.models.items()}
    analysis = request.identifier or request.analysis or request_id

    def context(part: str) -> Context:
        seed = f"{analysis}/{findings.models[part].identity}"
        return Context(request, release, makers[part], seed, findings.duration_s, moment)

    notes = all_notes(findings)
    observations: dict[str, Resource] = {}
    for series in findings.series:
        if not request.summary_only or has_summary(series, findings.emotion):
            observations[address(f"observation/{series.code}")] = series_observation(
                series, notes, context(series.part)
            )
    if findings.emotion is not None:
        observations[address("observation/emotion")] = emotion_observation(*findings.emotion, notes, context(SPEECH))
    resources = observations | devices
    if request.bundle == "collection":
        resources[address("provenance")] = provenance(list(observations), list(devices), moment, request_id)
    entries = [
        {"fullUrl": url, "resource": resource, **(_creation(resource) if request.bundle == "transaction" else {})}
        for url, resource in resources.items()
    ]
    document: Resource = {
        "resourceType": "Bundle",
        "identifier": {"type": {"text": "request"}, "value": request_id},
        "type": request.bundle,
        "timestamp": moment,
        "entry": entries,
    }
    return validated(document, request.version)


def _addresses(seed: str) -> Callable[[str], str]:
    return lambda name: str(uuid_identifier(f"{seed}/{name}")["value"])


def _creation(resource: Resource) -> Resource:
    """Have the server create ``resource`` unless it has one of the same identifier."""
    identifiers: Any = resource["identifier"]
    sought = f"identifier={identifiers[0]['system']}|{identifiers[0]['value']}"
    return {"request": {"method": "POST", "url": resource["resourceType"], "ifNoneExist": sought}}


def validated(document: Resource, version: str) -> bytes:
    """Have fhir.resources read ``document`` and write it as JSON, UTF-8."""
    kind = str(document["resourceType"])
    folder = "fhir.resources" if RELEASES[version] == "R5" else "fhir.resources.R4B"
    model = getattr(import_module(f"{folder}.{kind.lower()}"), kind)
    text: str = model.model_validate(document).model_dump_json()
    return text.encode()
