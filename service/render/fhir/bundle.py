"""The FHIR answer: one validated Bundle of observations, devices (the models) and provenance.

Resources are built as documents and validated by fhir.resources, which rejects members that the release does not know.
Its import takes a third of a second, so it happens with the first FHIR answer.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from service.render.fhir.findings import SPEECH, Findings
from service.render.fhir.resources import (
    Resource,
    all_notes,
    device,
    emotion_observation,
    provenance,
    series_observation,
)

RELEASES = {"4.0": "R4B", "4.3": "R4B", "5.0": "R5"}
"""Releases by ``fhirVersion``. The members used of R4B (4.3) are the same in R4 (4.0)."""


def fhir_bundle(findings: Findings, request_id: str, version: str, recorded: datetime | None = None) -> bytes:
    """Render ``findings`` as a Bundle of the type 'collection'.

    Args:
        findings: the result to render.
        request_id: id of the request; addresses in the bundle derive from it and the time.
        version: one of :data:`RELEASES`.
        recorded: time of the estimate; now if None.

    Returns:
        JSON, UTF-8.
    """
    release = RELEASES[version]
    moment = (recorded or datetime.now(UTC)).isoformat(timespec="milliseconds")
    address = _addresses(f"{request_id}/{moment}")
    makers = {part: address(f"device/{part}") for part in findings.models}
    devices = {makers[part]: device(part, model, release) for part, model in findings.models.items()}
    notes = all_notes(findings)
    observations: dict[str, Resource] = {}
    for series in findings.series:
        observations[address(f"observation/{series.code}")] = series_observation(
            series, release, makers[series.part], notes, moment
        )
    if findings.emotion is not None:
        observations[address("observation/emotion")] = emotion_observation(
            *findings.emotion, makers[SPEECH], notes, moment
        )
    origin = {address("provenance"): provenance(list(observations), list(devices), moment, request_id)}
    entries = [
        {"fullUrl": url, "resource": resource}
        for resources in (observations, devices, origin)
        for url, resource in resources.items()
    ]
    document: Resource = {
        "resourceType": "Bundle",
        "identifier": {"type": {"text": "request"}, "value": request_id},
        "type": "collection",
        "timestamp": moment,
        "entry": entries,
    }
    return _validated(document, release)


def _addresses(seed: str) -> Callable[[str], str]:
    def address(name: str) -> str:
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{seed}/{name}')}"

    return address


def _validated(document: Resource, release: str) -> bytes:
    bundle: Any
    if release == "R4B":
        from fhir.resources.R4B.bundle import Bundle as BundleR4B

        bundle = BundleR4B.model_validate(document)
    else:
        from fhir.resources.bundle import Bundle

        bundle = Bundle.model_validate(document)
    text: str = bundle.model_dump_json()
    return text.encode()
