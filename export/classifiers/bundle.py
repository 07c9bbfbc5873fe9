"""Bundles of classifiers behind their networks: waveform in, probabilities out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnx
from onnx.utils import Extractor as GraphCutter

from export.bundle.card import SPEECH_EMOTION_USE, BundleFacts, BundleText, build_card
from export.bundle.write import Content, write_bundle
from export.classifiers.graph import EMBEDDING, classifier_graph, fusion_graph, member_name
from export.classifiers.head import Head, HeadError, head_tensors
from export.classifiers.licences import data_licence, strictest
from export.classifiers.recipe import FusionKind
from export.classifiers.verification import TOLERANCE, differences
from export.corpora.audio import Waveform
from export.evaluation.verification import refuse_difference
from export.features.extractors import BundleExtractor
from export.features.origin import Backbone, backbone_of
from export.graph.compose import chain
from export.graph.compose_parallel import parallel
from export.graph.high_pass import OFFSET_AND_MAINS, behind_high_pass
from service.card import Card, Licence, Measurement, Parity, SpeechInput, TrainingData, read_card

INPUTS = ("waveform", "lengths")
HEAD_ROLE = "head"
OLDEST_OPSET = 13

LIMITS = (
    "Its classes are those of the data it was trained on, acted or labelled by others; speakers, languages and "
    "microphones other than those were not tried unless a measurement below says so.",
    "It answers for any sound; whether anybody speaks is for the voice activity model to say.",
)


@dataclass(frozen=True)
class Network:
    """A bundle whose graph gives an embedding."""

    folder: Path
    card: Card
    backbone: Backbone
    graph: onnx.ModelProto


@dataclass(frozen=True)
class ClassifierBundle:
    """Parts of the card that follow from neither heads nor networks."""

    name: str
    version: str = "1"
    title: str = ""
    priority: int = 0
    measurements: tuple[Measurement, ...] = ()
    notes: tuple[str, ...] = ()


def read_network(folder: Path) -> Network:
    """Read a bundle and cut its graph down to the embedding.

    Raises:
        HeadError: the bundle does not take speech or gives no embedding.
    """
    card = read_card(folder)
    graph = onnx.load(folder / card.file_with_role("model"))
    declared = {value.name: value for value in graph.graph.output}
    if card.speech is None or EMBEDDING not in declared:
        raise HeadError(f"{folder}: not a network of speech with an output '{EMBEDDING}'")
    stated = declared[EMBEDDING].type.tensor_type.shape.dim[1].dim_value
    width = stated or BundleExtractor(folder, "cpu").backbone.dimensions  # a graph may leave its widths open
    cut = GraphCutter(graph).extract_model(list(INPUTS), [EMBEDDING])
    return Network(folder, card, backbone_of(card, width), cut)


def match_networks(needed: Sequence[Backbone], given: Sequence[Network], *, allow_other: bool) -> list[Network]:
    """The network of each backbone that the classifiers were trained on.

    Args:
        allow_other: take networks in the order given, whatever their weights and presets.

    Raises:
        HeadError: a backbone is a program, or no network, or one of other weights, preset or width, is given for it.
    """
    for backbone in needed:
        if backbone.kind == "opensmile":
            raise HeadError(
                f"trained on openSMILE's {backbone.network}: that is a program, which no graph can hold, under a "
                "research licence; such a classifier works offline only"
            )
    if len(given) != len(needed):
        names = ", ".join(backbone.network for backbone in needed)
        raise HeadError(f"needs {len(needed)} networks ({names}), {len(given)} are given")
    found = []
    for place, backbone in enumerate(needed):
        equal = [network for network in given if _same(network.backbone, backbone)]
        if not equal and not allow_other:
            raise HeadError(_no_match(backbone, given))
        network = equal[0] if equal else given[place]
        if network.backbone.dimensions != backbone.dimensions:
            raise HeadError(
                f"{network.folder}: gives {network.backbone.dimensions} features, the classifier takes "
                f"{backbone.dimensions}"
            )
        found.append(network)
    return found


def write_classifier_bundle(
    heads: Sequence[Head],
    kind: FusionKind | None,
    networks: Sequence[Network],
    about: ClassifierBundle,
    out: Path,
    recordings: Sequence[Waveform],
) -> Path:
    """Write ``out/<name>/<version>/``, and check its graph against the classifiers in NumPy.

    Args:
        heads: one; or one a network where ``kind`` is 'late'.
        kind: how several networks are fused; None for one network.
        networks: in the order of the heads' columns.
        recordings: float32 [samples] at the networks' rate, for the check.

    Raises:
        HeadError: networks of different sample rates, or whose lengths exclude each other.
        ParityError: the graph differs by more than 1e-5; nothing is left behind.
        ValueError: the graphs cannot be put together.
    """
    speech = common_input(heads, networks)
    composed = compose(heads, kind, networks)
    if None in _filters(networks):
        composed = behind_high_pass(composed, speech.sample_rate_hz)
    model = composed.SerializeToString()
    difference, in_batch = differences(model, heads, kind, speech, recordings)
    refuse_difference(about.name, difference, TOLERANCE, "classifier")
    parity = Parity(
        tolerance=TOLERANCE,
        largest_difference=difference,
        against=f"the classifier in NumPy, float64, behind the same embeddings of {len(recordings)} clips",
    )

    text = _text(heads, kind, networks, about)
    facts = _facts(heads, kind, networks, speech, about, parity, in_batch)
    contents = {"model.onnx": Content(model)}
    for place, head in enumerate(heads):
        mark = f"-{place}" if len(heads) > 1 else ""
        contents[f"head{mark}.safetensors"] = Content(head_tensors(head), f"{HEAD_ROLE}{mark}")
        contents[f"head{mark}.json"] = Content(_stated(head), f"{HEAD_ROLE}-card{mark}")
    return write_bundle(out, contents, partial(build_card, text, facts))


def compose(heads: Sequence[Head], kind: FusionKind | None, networks: Sequence[Network]) -> onnx.ModelProto:
    """The whole graph: ``waveform``, ``lengths`` → ``probabilities``, ``embedding``."""
    if kind is None:
        first = networks[0].graph
        return chain([first, _of_version(classifier_graph(heads[0]), first)], keep=(EMBEDDING,))
    names = [member_name(place) for place in range(len(networks))]
    together = parallel([network.graph for network in networks], EMBEDDING, names)
    joined = fusion_graph(heads, kind, [network.backbone.dimensions for network in networks])
    return chain([together, _of_version(joined, together)])


def common_input(heads: Sequence[Head], networks: Sequence[Network]) -> SpeechInput:
    """The input that all networks take; windows are no longer than those the classifiers were trained on.

    Raises:
        HeadError: there is nothing that all of them take.
    """
    inputs = [network.card.speech for network in networks if network.card.speech is not None]
    rates = sorted({speech.sample_rate_hz for speech in inputs})
    if len(rates) > 1:
        raise HeadError(f"the networks take different sample rates: {', '.join(map(str, rates))} Hz")
    shortest, longest = max(speech.min_length_s for speech in inputs), min(speech.max_length_s for speech in inputs)
    if shortest > longest:
        raise HeadError("no length of sound suits all of the networks")
    trained = [head.card.window_s for head in heads if head.card.window_s > 0]
    wanted = math.ceil(min(trained) * 100) / 100 if trained else min(speech.window_s for speech in inputs)
    window_s = min(max(wanted, shortest), longest)
    return SpeechInput(
        sample_rate_hz=rates[0],
        window_s=window_s,
        hop_s=min(window_s, *(speech.hop_s for speech in inputs)),
        min_length_s=shortest,
        max_length_s=longest,
        preset=" + ".join(dict.fromkeys(speech.preset for speech in inputs)),
        high_pass_hz=min(below_hz or OFFSET_AND_MAINS.below_hz for below_hz in _filters(networks)),
    )


def _filters(networks: Sequence[Network]) -> list[float | None]:
    """Cut-off of each network's own high-pass filter in Hz; None where it has none."""
    return [network.card.speech.high_pass_hz for network in networks if network.card.speech is not None]


def bundle_licence(heads: Sequence[Head], networks: Sequence[Network]) -> Licence:
    """The strictest among weights, what the classifiers were trained behind, and data."""
    licences = [network.card.licence for network in networks]
    licences += [backbone.licence for head in heads for backbone in head.card.backbones]
    return strictest(licences + [data_licence(entry) for head in heads for entry in head.card.training_data])


def _of_version(classifier: onnx.ModelProto, network: onnx.ModelProto) -> onnx.ModelProto:
    """``classifier`` in the versions of ``network``: its operators are the same from version 13 on.

    Raises:
        HeadError: the network's are older.
    """
    version = {entry.domain: entry.version for entry in network.opset_import}.get("", 0)
    if version < OLDEST_OPSET:
        raise HeadError(f"the network's operators are of version {version}; {OLDEST_OPSET} is the oldest that will do")
    classifier.opset_import[0].version = version
    classifier.ir_version = network.ir_version
    return classifier


def _same(one: Backbone, other: Backbone) -> bool:
    return bool(one.weights_sha256) and (one.weights_sha256, one.preset) == (other.weights_sha256, other.preset)


def _no_match(backbone: Backbone, given: Sequence[Network]) -> str:
    if backbone.kind == "unknown":
        return "the classifier does not say what network it was trained on; --allow-other-weights takes the one given"
    other = "; ".join(
        f"{network.folder} has weights {network.backbone.weights_sha256[:12]}…, preset '{network.backbone.preset}'"
        for network in given
    )
    return (
        f"the classifier was trained on {backbone.network} with weights {backbone.weights_sha256[:12]}…, preset "
        f"'{backbone.preset}', but {other} (--allow-other-weights takes it all the same)"
    )


def _stated(head: Head) -> bytes:
    return (head.card.model_dump_json(indent=1) + "\n").encode()


def _text(
    heads: Sequence[Head], kind: FusionKind | None, networks: Sequence[Network], about: ClassifierBundle
) -> BundleText:
    names = " + ".join(network.backbone.network for network in networks)
    data: dict[str, TrainingData] = {entry.name: entry for head in heads for entry in head.card.training_data}
    fused = {"early": ", fused early", "late": ", fused late", None: ""}[kind]
    trained_on = ", ".join(data) or "data not stated"
    others = [
        f"{network.backbone.network} has other weights or another preset than the classifier was trained behind."
        for network, backbone in zip(networks, [part for head in heads for part in head.card.backbones], strict=True)
        if not _same(network.backbone, backbone)
    ]
    notes = dict.fromkeys([*about.notes, *(note for head in heads for note in head.card.notes)])
    return BundleText(
        name=about.name,
        version=about.version,
        title=about.title or f"Linear classifier on {names}{fused}",
        description=f"{names}{fused}, with a linear classifier ({heads[0].card.recipe}) trained on {trained_on}.",
        licence=bundle_licence(heads, networks),
        training_data=tuple(data.values()),
        known_limits=(*LIMITS, *others, *notes),
        priority=about.priority,
    )


def _facts(
    heads: Sequence[Head],
    kind: FusionKind | None,
    networks: Sequence[Network],
    speech: SpeechInput,
    about: ClassifierBundle,
    parity: Parity,
    batch_difference: float,
) -> BundleFacts:
    return BundleFacts(
        task="speech-emotion",
        intended_use=SPEECH_EMOTION_USE,
        speech=speech,
        labels=heads[0].card.labels,
        settings={
            "classifier": [
                f"{head.card.loss}, {head.card.penalty}, {'C' if head.card.loss == 'svm' else 'alpha'} "
                f"{head.card.strength:g}, {head.card.scaling} scaling, {head.card.link}"
                for head in heads
            ],
            "fusion": kind or "none",
            "batch_difference": batch_difference,
        },
        members=[member for network in networks for member in network.backbone.members],
        measurements=about.measurements,
        parity=parity,
        made_with=("scikit-learn", "onnx"),
    )
