"""Observations, devices and provenance as documents; :mod:`.bundle` validates them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service import __version__
from service.pipeline.results import ModelReference
from service.render.fhir.findings import Findings, Series

Resource = dict[str, object]

CODE_SYSTEM = "urn:uuid:5b0f6a52-6d0e-5f0a-9a0d-3f3c3d0f6e11"
"""System of the project's own codes, listed in docs/fhir.md; no published codes exist for these quantities."""

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
STATUS = "preliminary"  # no person has reviewed it
CATEGORY = {"text": "Automated estimate of affect"}
CAUTION = (
    "Estimated by a machine-learning model from how a voice sounds or a face moves. Not a diagnosis and not a "
    "statement of what the person feels; to be read by a professional beside other information."
)


def series_observation(series: Series, release: str, device: str, notes: Sequence[str], issued: str) -> Resource:
    """Observation of one quantity over time, with the whole recording's value as a component."""
    observation = _observation(series.code, series.title, device, [*notes, _grid(series)], issued)
    if np.isfinite(series.values).any():
        observation["valueSampledData"] = sampled_data(series, release)
    else:
        observation["dataAbsentReason"] = _absent()
    components = []
    if series.mean is not None and np.isfinite(series.mean):
        components.append(_component(f"{series.code}-recording", "Whole recording", series.mean))
    if series.off_grid is not None and np.isfinite(series.off_grid[1]):
        start_s, value = series.off_grid
        title = f"Last window, {start_s:g} s to {start_s + series.span_s:g} s"
        components.append(_component(f"{series.code}-last-window", title, value))
    return observation | ({"component": components} if components else {})


def emotion_observation(
    emotion: str, probabilities: Mapping[str, float], device: str, notes: Sequence[str], issued: str
) -> Resource:
    """Observation of the most probable class, with each class's probability as a component."""
    observation = _observation("emotion", "Most probable emotion class of the voice", device, notes, issued)
    observation["valueCodeableConcept"] = _concept(f"emotion-{emotion}", emotion)
    observation["component"] = [
        _component(f"probability-{label}-recording", f"Probability of {label}", value)
        for label, value in probabilities.items()
    ]
    return observation


def device(part: str, model: ModelReference, release: str) -> Resource:
    """Device resource of the model that made an estimate."""
    name = (
        {"deviceName": [{"name": model.name, "type": "model-name"}], "type": {"text": f"Software: {part} model"}}
        if release == "R4B"
        else {
            "name": [{"value": model.name, "type": "user-friendly-name"}],
            "type": [{"text": f"Software: {part} model"}],
        }
    )
    return {
        "resourceType": "Device",
        "identifier": [{"type": {"text": "SHA-256 of the weights"}, "value": model.sha256}],
        "status": "active",
        "modelNumber": model.name,
        "version": [
            {"type": {"text": "model"}, "value": model.version},
            {"type": {"text": "Emoserve"}, "value": __version__},
        ],
        **name,
        "note": [{"text": f"Licence of the weights: {model.licence}. Ran on {model.provider}."}],
    }


def provenance(targets: Sequence[str], devices: Sequence[str], recorded: str, request_id: str) -> Resource:
    """Provenance of the observations: these models, and one upload that was not kept."""
    performer = {"coding": [{"system": f"{TERMINOLOGY}/provenance-participant-type", "code": "performer"}]}
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": recorded,
        "activity": {"text": "Automated estimation of affect from a recording"},
        "agent": [{"type": performer, "who": {"reference": reference}} for reference in devices],
        "entity": [
            {
                "role": "source",
                "what": {
                    "display": "The uploaded recording or table, which the service does not keep",
                    "identifier": {"type": {"text": "request"}, "value": request_id},
                },
            }
        ],
    }


def all_notes(findings: Findings) -> list[str]:
    """Notes of every observation."""
    return [CAUTION, *findings.notes]


def _observation(code: str, title: str, device: str, notes: Sequence[str], issued: str) -> Resource:
    return {
        "resourceType": "Observation",
        "status": STATUS,
        "category": [CATEGORY],
        "code": _concept(code, title),
        "device": {"reference": device},
        "issued": issued,
        "note": [{"text": note} for note in notes],
    }


def _component(code: str, title: str, value: float) -> Resource:
    return {"code": _concept(code, title), "valueQuantity": {"value": round(value, DECIMALS), **DIMENSIONLESS}}


def _concept(code: str, title: str) -> Resource:
    return {"coding": [{"system": CODE_SYSTEM, "code": code, "display": title}], "text": title}


def _absent() -> Resource:
    return {"coding": [{"system": f"{TERMINOLOGY}/data-absent-reason", "code": "unknown"}]}


def _grid(series: Series) -> str:
    span = f"; each covers the {series.span_s:g} s from its time on" if series.span_s else ""
    return f"The first value belongs to second {series.start_s:g} of the recording{span}."


DECIMALS = 4
UNKNOWN = "E"
"""FHIR's sign for an unknown value."""

MILLISECONDS_PER_S = 1000
UCUM = "http://unitsofmeasure.org"
DIMENSIONLESS = {"system": UCUM, "code": "1"}


def sampled_data(series: Series, release: str) -> dict[str, object]:
    """Members of SampledData: 'R4B' has ``period`` in milliseconds, 'R5' ``interval`` and its unit."""
    period_ms = round(series.period_s * MILLISECONDS_PER_S, 3)
    pace = {"period": period_ms} if release == "R4B" else {"interval": period_ms, "intervalUnit": "ms"}
    return {
        "origin": {"value": 0, **DIMENSIONLESS},
        **pace,
        "lowerLimit": series.bounds[0],
        "upperLimit": series.bounds[1],
        "dimensions": 1,
        "data": data_string(series.values),
    }


def data_string(values: NDArray[np.float64]) -> str:
    """Values of float64 [n] with at most four decimals, separated by one space."""
    return " ".join(UNKNOWN if not np.isfinite(value) else number(value) for value in values.tolist())


def number(value: float) -> str:
    """``value`` with at most four decimals, never in scientific notation."""
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
