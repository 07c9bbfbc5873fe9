"""Bundles of Deep Spectrum extractors: plot, network, parity check, card."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from export.bundle.card import BundleFacts, BundleText, build_card
from export.bundle.write import Content, write_bundle
from export.deep_spectrum.networks.graph import extractor_graph
from export.deep_spectrum.networks.network import EmbeddingNetwork
from export.deep_spectrum.networks.normalisation import omissions
from export.deep_spectrum.networks.specification import EXTRACTORS, Extractor
from export.deep_spectrum.networks.weights import Weights
from export.deep_spectrum.plot_choice import plot_preset
from export.deep_spectrum.verification import TOLERANCE, Reference, embed_clips
from export.evaluation.verification import BATCH_TOLERANCE, ParityError, clips_of, refuse_difference
from export.graph.compose import chain
from service.card import Member, Parity, SpeechInput

GRAPH_FILE_NAME = "deep-spectrum.onnx"

WHOLE_CLIP_S = 30.0
"""Longest clip that becomes one picture. Presets of whole clips (A7, D1) name no limit, but at 30 s a column of pixels
already stands for an eighth of a second; longer recordings are windowed."""

SHORTEST_S = 0.08
"""Shortest clip, unless the plot's window is longer."""

UNUSABLE_PRIORITY = -100

FRONT_END_SEPARATOR = ", "
LAYER_MARK = "layer "

INTENDED_USE = (
    "Fixed features of a recording for a classifier that is trained on them, for research on how speech sounds. The "
    "numbers name no emotion by themselves. The EU AI Act (Regulation 2024/1689, article 5(1)(f)) prohibits emotion "
    "recognition at work and in education except for medical or safety reasons; elsewhere it is high-risk."
)

KNOWN_LIMITS = (
    "The network was trained on photographs; the plot is one more picture to it, it knows nothing of sound.",
    "A clip's length is not in its picture: the plot is stretched to one width, so clips of very different length have "
    "features that compare badly.",
    "Level is removed by the plot, which is scaled to the clip's loudest point; a hum or a click changes all colours.",
    "The plot shows all down to the quietest sound (F3): MP3 and AAC, which leave parts out, change the picture.",
    "Features of two sets of weights, presets or normalisations of one network are not interchangeable.",
)


@dataclass(frozen=True)
class ExtractorBundle:
    """Choices of a person about a bundle.

    Attributes:
        preset: name in ``PLOT_PRESETS``, with changed parameters as ``plot_text`` writes them.
        normalisation: 'deepspectrum' or 'keras'.
        sample_rate_hz: of the waveform; None is the preset's.
        layer: name in PyTorch of the layer that is read; empty is that of table A.3.
        name: of the bundle; empty is that of :func:`bundle_name`.
    """

    preset: str = "ottl-2020"
    normalisation: str = "deepspectrum"
    sample_rate_hz: int | None = None
    version: str = "1"
    layer: str = ""
    name: str = ""

    @property
    def front_end(self) -> str:
        """Plot, normalisation and layer in one text: features of two such texts are not interchangeable."""
        parts = [self.preset]
        parts += [self.normalisation] if self.normalisation != "deepspectrum" else []
        parts += [f"{LAYER_MARK}{self.layer}"] if self.layer else []
        return FRONT_END_SEPARATOR.join(parts)


def bundle_of_front_end(front_end: str, sample_rate_hz: int) -> ExtractorBundle:
    """Inverse of :attr:`ExtractorBundle.front_end`."""
    preset, *more = front_end.split(FRONT_END_SEPARATOR)
    layers = [part.removeprefix(LAYER_MARK) for part in more if part.startswith(LAYER_MARK)]
    normalisations = [part for part in more if not part.startswith(LAYER_MARK)]
    return ExtractorBundle(
        preset=preset,
        normalisation=normalisations[0] if normalisations else ExtractorBundle.normalisation,
        sample_rate_hz=sample_rate_hz,
        layer=layers[0] if layers else "",
    )


def bundle_name(network: str) -> str:
    """Name of the bundle of an extractor."""
    return f"deep-spectrum-{network.replace('_', '-')}"


def speech_graph(weights: Weights, about: ExtractorBundle) -> onnx.ModelProto:
    """The whole graph: ``waveform`` and ``lengths`` in, ``embedding`` out."""
    from export.deep_spectrum.picture.graph import plot_graph

    preset, size = plot_preset(about.preset), EXTRACTORS[weights.network].size
    rate = {} if about.sample_rate_hz is None else {"sample_rate_hz": about.sample_rate_hz}
    network = extractor_graph(weights.network, weights, about.normalisation, about.layer)
    return chain([plot_graph(preset, size, **rate), network])


def write_extractor_bundle(
    weights: Weights, about: ExtractorBundle, out: Path, recordings: Sequence[NDArray[np.float32]]
) -> Path:
    """Write ``out/<name>/<version>/`` and check its graph against PyTorch.

    Args:
        recordings: float32 [samples] at the bundle's rate, for the check.

    Raises:
        ParityError: graph and network differ by more than 1e-4, or a batch changes an answer; nothing is left behind.
        ValueError: there is no such preset, normalisation or layer.
    """
    extractor = EXTRACTORS[weights.network]
    model = speech_graph(weights, about)
    content = Content(model.SerializeToString())
    dimensions = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    parity = _parity(model, weights, about, clips_of(speech_input(about), recordings))

    text, facts = _text(extractor, weights, about, dimensions), _facts(extractor, weights, about, parity, dimensions)
    return write_bundle(out, {GRAPH_FILE_NAME: content}, partial(build_card, text, facts))


def speech_input(about: ExtractorBundle) -> SpeechInput:
    """Rate, lengths and windows of a bundle."""
    preset = plot_preset(about.preset)
    rate_hz = about.sample_rate_hz or preset.sample_rate_hz
    window_s = preset.window_s or WHOLE_CLIP_S
    return SpeechInput(
        sample_rate_hz=rate_hz,
        window_s=window_s,
        hop_s=preset.hop_s or window_s,
        min_length_s=max(SHORTEST_S, preset.fft_samples / rate_hz),
        max_length_s=max(window_s, WHOLE_CLIP_S),
        preset=about.front_end,
    )


def _parity(
    model: onnx.ModelProto, weights: Weights, about: ExtractorBundle, clips: Sequence[NDArray[np.float32]]
) -> Parity:
    reference = Reference(
        network=EmbeddingNetwork(weights.network, weights.variant, about.layer).load(weights.tensors),
        convention=weights.convention,
        omits=omissions(about.normalisation, EXTRACTORS[weights.network].toolkit_omits),
    )
    embedded = embed_clips(model, clips)
    difference = embedded.relative(reference.embed(embedded.pictures))
    refuse_difference(weights.network, difference, TOLERANCE)
    if not embedded.batch_difference <= BATCH_TOLERANCE:
        raise ParityError(f"{weights.network}: a batch changes an embedding by {embedded.batch_difference:.2e}")
    return Parity(
        tolerance=TOLERANCE,
        largest_difference=difference,
        against=f"PyTorch {torch.__version__} on the same pictures of {len(clips)} recordings, relative to the largest "
        "value",
    )


def _text(extractor: Extractor, weights: Weights, about: ExtractorBundle, dimensions: int) -> BundleText:
    unusable = "" if weights.trained else " (random weights: unusable)"
    return BundleText(
        name=about.name or bundle_name(extractor.name),
        version=about.version,
        title=f"Deep Spectrum, {extractor.title}{unusable}",
        description=(
            f"A plot of the spectrogram (preset {about.preset}) as a picture of {extractor.size} × {extractor.size} "
            f"pixels, read by {extractor.title} ({extractor.item}), {about.layer or extractor.layer}: {dimensions} "
            f"numbers. "
            f"Weights: {weights.source}, trained with the normalisation '{weights.convention.name}'."
        ),
        licence=weights.licence,
        known_limits=(*_network_limits(extractor, weights), *KNOWN_LIMITS),
        priority=0 if weights.trained else UNUSABLE_PRIORITY,
    )


def _facts(
    extractor: Extractor, weights: Weights, about: ExtractorBundle, parity: Parity, dimensions: int
) -> BundleFacts:
    member = Member(
        network=extractor.name,
        weights_sha256=weights.sha256,
        weights_source=weights.source,
        licence=weights.licence,
        dimensions=dimensions,
    )
    return BundleFacts(
        task="speech-embedding",
        intended_use=INTENDED_USE if weights.trained else "None: the weights are random numbers, for tests alone.",
        speech=speech_input(about),
        settings={
            "network": extractor.name,
            "item": extractor.item,
            "layer": about.layer or extractor.layer,
            "module": about.layer,
            "plot": about.preset,
            "normalisation": about.normalisation,
            "convention": weights.convention.name,
            "variant": weights.variant,
            "usable": weights.trained,
        },
        members=[member],
        parity=parity,
        made_with=("torch",),
    )


def _network_limits(extractor: Extractor, weights: Weights) -> list[str]:
    if not weights.trained:
        return ["Unusable: the weights are random numbers."]
    limits = []
    if weights.convention != extractor.toolkit_convention:
        limits.append(
            f"The toolkit's own weights take {extractor.toolkit_preprocessing}; these were trained with "
            f"'{weights.convention.name}', so the numbers are not the toolkit's."
        )
    if weights.source.endswith(".tflite of Coral"):
        limits.append("The weights were rounded to 8 bits by their publisher and are floats again here.")
    if not weights.licence.commercial_use:
        limits.append("Commercial use of the weights is not plainly permitted: see the licence.")
    return limits
