"""Texts and facts of the action-unit bundles."""

import numpy as np
from numpy.typing import NDArray

from export.bundle.card import BundleFacts, BundleText, Setting
from export.faces.action_unit_graphs import LABELS
from export.faces.agreement import Evaluation
from export.faces.synthetic_faces import HELD_OUT_IDENTITIES, TrainingSize
from export.faces.unit_recipes import RECIPES
from service.card import Licence, Measurement, TrainingData

VERSION = "2"
COMMAND = "emoserve-export action-units"
PRIORITIES = {478: 20, 468: 10}

SYNTHETIC = "synthetic renders of ICT-FaceKit"
NEUTRALS = {
    "given": "the person's own neutral frame subtracted",
    "resting": "each unit's resting percentile of the person's own 12 expressive frames subtracted (no labels used)",
    "none": "no neutral subtracted",
}
INTENDED_USE = (
    "Input to the affect stage, and research on facial movement. Inferring emotions of people at work or in "
    "education is prohibited by the EU AI Act except for medical or safety reasons."
)
ATTRIBUTION = "Trained by this project on renders of ICT-FaceKit, MIT, copyright USC ICT"
KNOWN_LIMITS = [
    "Held against one real video of 11.6 s beside OpenFace 2's table, by 'emoserve-export evaluate'; docs/video.md has "
    "every unit's figures. That video also decided between a few alternatives of some recipes, so its figures are too "
    "good; no weight was fitted to it. OpenFace's units are themselves estimates, of .59 with human coders (DISFA).",
    "AU12, the most important unit for valence, is 0 throughout in OpenFace's table of that video.",
    "All correlations and concordances below are in-domain: the same renderer, held-out identities. They rank methods "
    "and are not accuracies on real faces: a head of higher synthetic correlation followed the real face worse.",
    "One renderer; ARKit shapes are not FACS-coded action units; labels are blend weights. The shape behind AU17 is "
    "unlike a chin that is raised in speech, so AU17 follows the shutting of the lips and not the label.",
    "A resting level is a low percentile of each unit over the recording. A person who smiles through three quarters "
    "of it has none: give a neutral stretch or none.",
    "Weak units: AU05, AU06, AU07, AU14, AU15, AU17, AU23. Muscle detail that moves no landmark is out of reach.",
    "An affect model that was trained on OpenFace's action units sees other scales, other zeros and another confidence "
    "here; it must be retrained or re-standardised.",
]


def describe_units(
    points: int, training: TrainingSize, evaluations: list[Evaluation], dead_zone: NDArray[np.float64]
) -> tuple[BundleText, BundleFacts]:
    """Text and facts of the units from the mesh of ``points`` points."""
    with_blendshapes = points == 478
    inputs = f"the {points}-point mesh" + (" and 52 blendshapes" if with_blendshapes else "")
    settings: dict[str, Setting] = {
        "mesh_points": points,
        "needs_blendshapes": with_blendshapes,
        "max_intensity": 5.0,
        "neutral_min_tracked_s": 3.0,  # with less to take a resting level of, absolute values are used
        "resting_percentiles": [RECIPES[label].resting_percentile for label in LABELS],
        "dead_zone": [round(float(value), 4) for value in dead_zone],  # taken off after the resting level
        "smoothing_frames": 3,  # centred moving average of the intensities
        "confidence_tracked": 0.98,  # what OpenFace writes for a tracked face (measured); 0 without a face
    }
    text = BundleText(
        name=f"action-units-{points}",
        version=VERSION,
        title=f"17 action units from {inputs}",
        description=(
            f"From {inputs} to the intensities (0 to 5) of the 17 action units that OpenFace has. Each unit adds up a "
            "few anatomical measures of the aligned mesh (heights, lengths, ratios)"
            + (", blendshapes" if with_blendshapes else "")
            + " and, for some, a ridge regression over half of the mesh. 'relative' is for subtraction of the person's "
            "resting level and the dead zone; 'absolute' is a ridge regression for a face whose rest is not known, "
            "shifted so that half of the neutral faces read 0."
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
        known_limits=tuple(KNOWN_LIMITS),
        priority=PRIORITIES[points],
    )
    measurements = [
        measurement
        for evaluation in evaluations
        for measurement in _measurements(evaluation, by_unit=evaluation.neutral == "given")
    ]
    facts = BundleFacts(
        task="action-units",
        intended_use=INTENDED_USE,
        settings=settings,
        labels=LABELS,
        measurements=measurements,
        made_with=("onnx", "numpy"),
        source=COMMAND,
    )
    return text, facts


def _measurements(evaluation: Evaluation, by_unit: bool) -> list[Measurement]:
    """Means with intervals and, with ``by_unit``, every action unit."""
    protocol = (
        f"{HELD_OUT_IDENTITIES} rendered identities held out, expressive frames; "
        f"{NEUTRALS[evaluation.neutral]}; labels are 5 × blend weight; computed through the exported "
        "graphs; interval by bootstrap over identities"
    )
    suffix = "" if by_unit else f"_neutral_{evaluation.neutral}"
    found = []
    for metric, own in (("pearson_r", evaluation.correlation), ("concordance", evaluation.concordance)):
        columns: list[tuple[str, float, tuple[float, float] | None]] = [("mean", own.mean, own.interval_95)]
        if by_unit:
            columns += [(label, float(value), None) for label, value in zip(LABELS, own.by_column, strict=True)]
        found += [
            Measurement(
                metric=f"{metric}_{column}{suffix}",
                value=_rounded(value),
                interval_95=(_rounded(interval[0]), _rounded(interval[1])) if interval else None,
                data=SYNTHETIC,
                split="held-out identities",
                n=evaluation.frames,
                protocol=protocol,
                seen_corpus=True,
                command=COMMAND,
            )
            for column, value, interval in columns
        ]
    return found


def _rounded(value: float) -> float:
    return round(value, 4)
