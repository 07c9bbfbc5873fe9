"""Texts and facts of the action-unit bundles."""

from __future__ import annotations

from export.bundle.card import BundleFacts, BundleText, Setting
from export.faces.action_unit_graphs import LABELS, MAX_INTENSITY
from export.faces.agreement import Evaluation
from export.faces.synthetic_faces import HELD_OUT_IDENTITIES, TrainingSize
from service.card import Licence, Measurement, TrainingData

VERSION = "1"
COMMAND = "emoserve-export action-units"
RULE_NAME = "action-units-rule"
PRIORITIES = {478: 20, 468: 10}  # the rule has 0

SYNTHETIC = "synthetic renders of ICT-FaceKit"
NEUTRALS = {
    "median": "features minus the median of the person's own 12 expressive frames (no labels used)",
    "given": "features minus those of the person's own neutral frame",
    "none": "no neutral subtracted",
}
INTENDED_USE = (
    "Input to the affect stage, and research on facial movement. Inferring emotions of people at work or in "
    "education is prohibited by the EU AI Act except for medical or safety reasons."
)
ATTRIBUTION = "Trained by this project on renders of ICT-FaceKit, MIT, copyright USC ICT"
UNVERIFIED = [
    "Accuracy on real faces is essentially unverified: only two public recordings with frame-matched "
    "OpenFace output were found, 306 frames of two near-neutral subjects. Only AU01 (r 0.8 to 0.9) and AU45 "
    "(r 0.95 on the clip with blinks, -0.25 to 0.55 on the one without) carry enough signal there.",
    "AU12, the most important unit for valence, could not be compared at all: OpenFace gives 0 on both recordings.",
    "On those two recordings the trained head was not better than the rule mapping on average; the ranking "
    "on synthetic faces did not carry over.",
    "An affect model that was trained on OpenFace's action units sees other scales, other zeros and another "
    "confidence here; it must be retrained or re-standardised.",
    "Absolute levels are not comparable with OpenFace; changes over time are.",
]
TRAINED_LIMITS = [
    "All correlations and concordances are in-domain: the same renderer, held-out identities. They rank "
    "methods and are not accuracies on real faces.",
    "One renderer; ARKit shapes are not FACS-coded action units; labels are blend weights.",
    "The held-out identities were looked at for about 20 variants, so differences of 0.01 to 0.02 mean nothing.",
    "A person who smiles through a whole recording has no neutral median: give a neutral segment or none.",
    "Weak units: AU05, AU07, AU14, AU15, and AU06, which partly copies AU12. Muscle detail without "
    "movement of landmarks is out of reach.",
]
MESH_ONLY_LIMITS = [
    "The comparisons with OpenFace were made with the 478-point mesh; this head was not part of them.",
]
RULE_LIMITS = [
    "AU09 and half of AU06 rest on blendshapes that are almost always zero; AU05, AU14 and AU15 on weak ones.",
    "No person's neutral is taken into account.",
]


def describe_heads(
    points: int,
    training: TrainingSize,
    evaluations: list[Evaluation],
    rule: Evaluation,
) -> tuple[BundleText, BundleFacts]:
    """Text and facts of the trained heads for the mesh of ``points`` points."""
    with_blendshapes = points == 478
    inputs = f"the {points}-point mesh" + (" and 52 blendshapes" if with_blendshapes else "")
    settings: dict[str, Setting] = {
        "mesh_points": points,
        "needs_blendshapes": with_blendshapes,
        "max_intensity": MAX_INTENSITY,
        "neutral_min_tracked_s": 3.0,  # with less to take a median of, use the role 'head_absolute'
        "smoothing_frames": 3,  # centred moving average of the intensities
        "confidence_tracked": 0.98,  # what OpenFace writes for a tracked face (measured); 0 without a face
    }
    text = BundleText(
        name=f"action-units-{points}",
        version=VERSION,
        title=f"17 action units from {inputs}",
        description=(
            f"Ridge regression from {inputs} to the intensities (0 to 5) of the 17 action units that "
            "OpenFace has. Run 'features' on every frame, subtract the person's neutral, run 'head'; "
            "without a neutral run 'head_absolute' on the features as they are. The mesh is aligned to the "
            "mean face inside the graph."
        ),
        licence=Licence(spdx="MIT", commercial_use=True, attribution=ATTRIBUTION),
        training_data=(
            TrainingData(
                name=SYNTHETIC,
                licence="MIT",
                utterances=training.frames,
                speakers=training.identities,
                reference="https://github.com/ICT-VGL/ICT-FaceKit",
            ),
        ),
        known_limits=(*UNVERIFIED, *([] if with_blendshapes else MESH_ONLY_LIMITS), *TRAINED_LIMITS),
        priority=PRIORITIES[points],
    )
    measurements = [
        measurement
        for evaluation in evaluations
        for measurement in _measurements(evaluation, rule, by_unit=evaluation.neutral == "median")
    ]
    return text, _facts(settings, measurements)


def describe_rule(evaluation: Evaluation) -> tuple[BundleText, BundleFacts]:
    """Text and facts of the rule mapping, which is trained on nothing."""
    text = BundleText(
        name=RULE_NAME,
        version=VERSION,
        title="17 action units from 52 blendshapes by rule",
        description=(
            "A fixed mapping of blendshapes to action units after published tables of ARKit shapes and "
            "FACS, times 5. Takes blendshapes directly; no neutral is subtracted."
        ),
        licence=Licence(spdx="MIT", commercial_use=True, attribution=""),
        known_limits=(*UNVERIFIED, *RULE_LIMITS),
    )
    settings: dict[str, Setting] = {
        "needs_blendshapes": True,
        "max_intensity": MAX_INTENSITY,
        "smoothing_frames": 3,
        "confidence_tracked": 0.98,
    }
    return text, _facts(settings, _measurements(evaluation, None, by_unit=True))


def _facts(settings: dict[str, Setting], measurements: list[Measurement]) -> BundleFacts:
    return BundleFacts(
        task="action-units",
        intended_use=INTENDED_USE,
        settings=settings,
        labels=LABELS,
        measurements=measurements,
        made_with=("onnx", "numpy"),
        source=COMMAND,
    )


def _measurements(evaluation: Evaluation, rule: Evaluation | None, by_unit: bool) -> list[Measurement]:
    """Means with intervals and, with ``by_unit``, every action unit."""
    protocol = (
        f"{HELD_OUT_IDENTITIES} rendered identities held out, expressive frames; "
        f"{NEUTRALS[evaluation.neutral]}; labels are 5 × blend weight; computed through the exported "
        "graphs; interval by bootstrap over identities"
    )
    suffix = "" if by_unit else f"_neutral_{evaluation.neutral}"
    found = []
    for metric, own, other in (
        ("pearson_r", evaluation.correlation, rule.correlation if rule else None),
        ("concordance", evaluation.concordance, rule.concordance if rule else None),
    ):
        rivals = {RULE_NAME: _rounded(other.mean)} if other else {}
        columns: list[tuple[str, float, tuple[float, float] | None, dict[str, float]]] = [
            ("mean", own.mean, own.interval_95, rivals)
        ]
        if by_unit:
            columns += [(label, float(value), None, {}) for label, value in zip(LABELS, own.by_column, strict=True)]
        found += [
            Measurement(
                metric=f"{metric}_{column}{suffix}",
                value=_rounded(value),
                interval_95=(_rounded(interval[0]), _rounded(interval[1])) if interval else None,
                data=SYNTHETIC,
                split="held-out identities",
                n=evaluation.frames,
                protocol=protocol,
                seen_corpus=rule is not None,
                rivals=column_rivals,
                command=COMMAND,
            )
            for column, value, interval, column_rivals in columns
        ]
    return found


def _rounded(value: float) -> float:
    return round(value, 4)
