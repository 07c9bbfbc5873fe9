"""Observations, devices and provenance as documents; :mod:`.bundle` validates them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from service import __version__
from service.pipeline.results import ModelReference
from service.render.fhir.findings import SHARE, SOUND_TRACK, Findings, Series
from service.render.fhir.request import FhirRequest

Resource = dict[str, object]

CODE_SYSTEM = "urn:uuid:5b0f6a52-6d0e-5f0a-9a0d-3f3c3d0f6e11"
"""System of the project's own codes, which :mod:`.terminology` lists; no published codes exist for these quantities."""

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
STATUS = "preliminary"  # no person has reviewed it
CATEGORY = {"text": "Automated estimate of affect"}
CAUTION = (
    "Estimated by a machine-learning model from how a voice sounds or a face moves. Not a diagnosis and not a "
    "statement of what the person feels; to be read by a professional beside other information."
)


@dataclass(frozen=True)
class Context:
    """Members that all observations of one model share.

    Attributes:
        request: what the caller asked for.
        release: 'R4B' or 'R5'.
        device: address of the model's Device in the bundle.
        seed: name of the analysis and the model, from which identifiers derive.
        duration_s: seconds of the recording.
        issued: time of the estimate.
    """

    request: FhirRequest
    release: str
    device: str
    seed: str
    duration_s: float
    issued: str


def series_observation(series: Series, notes: Sequence[str], context: Context) -> Resource:
    """Observation of one quantity over time with the whole recording's value as a component, or of that value alone."""
    is_known = bool(np.isfinite(series.values).any())
    whole = _quantity(series.mean, series.bounds) if series.mean is not None and np.isfinite(series.mean) else None
    if context.request.summary_only:
        title = f"{series.title}, whole recording"
        observation = _observation(f"{series.code}{RECORDING}", title, notes, context)
        return observation | ({"dataAbsentReason": _absent()} if whole is None else {"valueQuantity": whole})
    observation = _observation(series.code, series.title, [*notes, _grid(series)], context)
    if is_known:
        observation["valueSampledData"] = sampled_data(series, context.release)
    else:
        observation["dataAbsentReason"] = _absent()
    components = []
    if whole is not None:
        components.append(_component(f"{series.code}{RECORDING}", "Whole recording", whole))
    if series.off_grid is not None and np.isfinite(series.off_grid[1]):
        start_s, value = series.off_grid
        title = f"Last window, {start_s:g} s to {start_s + series.span_s:g} s"
        components.append(_component(f"{series.code}{LAST_WINDOW}", title, _quantity(value, series.bounds)))
    return observation | ({"component": components} if components else {})


def has_summary(series: Series, emotion: tuple[str, Mapping[str, float]] | None) -> bool:
    """Whether a value for the whole recording belongs into a summary: not twice, and not where there never is one."""
    told = {f"probability-{label}" for label in (emotion[1] if emotion else ())}
    if series.code.removeprefix(SOUND_TRACK) in told:
        return False  # a component of the emotion
    return series.mean is not None or not np.isfinite(series.values).any()


def emotion_observation(
    emotion: str, probabilities: Mapping[str, float], notes: Sequence[str], context: Context
) -> Resource:
    """Observation of the most probable class, with each class's probability as a component."""
    observation = _observation("emotion", EMOTION_TITLE, notes, context)
    observation["valueCodeableConcept"] = _concept(f"emotion-{emotion}", emotion)
    observation["component"] = [
        _component(f"probability-{label}{RECORDING}", f"Probability of {label}", _quantity(value, SHARE))
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
    seed = f"device/{__version__}/{part}/{model.identity}/{model.provider}"
    return {
        "resourceType": "Device",
        "identifier": [
            uuid_identifier(seed),
            {"type": {"text": "SHA-256 of the weights"}, "value": model.sha256},
        ],
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


def uuid_identifier(seed: str) -> Resource:
    """Identifier that is the same for the same seed, and does not tell it (RFC 9562, version 5)."""
    return {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, seed)}"}


def _observation(code: str, title: str, notes: Sequence[str], context: Context) -> Resource:
    request = context.request
    known: Resource = {
        name: {"reference": reference}
        for name, reference in (("subject", request.subject), ("encounter", request.encounter))
        if reference is not None
    }
    if request.effective is not None:
        known |= _effective(request.effective, context.duration_s)
    if request.identifier is not None:
        system, _, value = request.identifier.rpartition("|")
        named = {"value": value, **({"system": system} if system else {})}
        known["derivedFrom"] = [{"type": "DocumentReference", "identifier": named, "display": "The recording"}]
    return {
        "resourceType": "Observation",
        "identifier": [uuid_identifier(f"{context.seed}/{code}")],
        "status": STATUS,
        "category": [CATEGORY],
        "code": _concept(code, title),
        **known,
        "device": {"reference": context.device},
        "issued": context.issued,
        "note": [{"text": note} for note in notes],
    }


def _effective(began: str, duration_s: float) -> Resource:
    """The span of a recording whose first moment is known; otherwise the day, month or year."""
    if "T" not in began:
        return {"effectiveDateTime": began}
    end = datetime.fromisoformat(began) + timedelta(seconds=duration_s)
    return {"effectivePeriod": {"start": began, "end": end.isoformat(timespec="milliseconds")}}


def _component(code: str, text: str, quantity: Resource) -> Resource:
    return {"code": {"coding": [{"system": CODE_SYSTEM, "code": code}], "text": text}, "valueQuantity": quantity}


def _quantity(value: float, bounds: tuple[float, float]) -> Resource:
    return {"value": round(value, DECIMALS), **_unit(bounds)}


def _unit(bounds: tuple[float, float]) -> Resource:
    """The unit of a number without dimension, with words for people."""
    return {"unit": f"on a scale from {bounds[0]:g} to {bounds[1]:g}", **DIMENSIONLESS}


def _concept(code: str, title: str) -> Resource:
    return {"coding": [{"system": CODE_SYSTEM, "code": code, "display": title}], "text": title}


def _absent() -> Resource:
    return {"coding": [{"system": f"{TERMINOLOGY}/data-absent-reason", "code": "unknown"}]}


def _grid(series: Series) -> str:
    span = f"; each covers the {series.span_s:g} s from its time on" if series.span_s else ""
    return f"The first value belongs to second {series.start_s:g} of the recording{span}."


RECORDING = "-recording"
"""Ending of the code of a value for the whole recording."""
LAST_WINDOW = "-last-window"
"""Ending of the code of a window off the grid."""
EMOTION_TITLE = "Most probable emotion class of the voice"

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
        "origin": {"value": 0, **_unit(series.bounds)},
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
