"""Deep Spectrum features of whole files: our graph against the toolkit's way, one file at a time, same weights.

The toolkit's way draws the picture with librosa, matplotlib and Pillow and gives it to PyTorch; both ways start from
samples in memory, run on one thread and take turns. Time is that thread's on the processor, so that other programs on
the machine, and idle threads of libraries that spin, matter less. What the network takes by itself is measured in ONNX
Runtime on a picture that is there already. Weights are those of the folder in ``EMOSERVE_SHARED``; without them random
ones, which take the same time.
"""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.measurement import emit
from benchmarks.pictures import speech
from export.deep_spectrum.bundle import ExtractorBundle, speech_graph
from export.deep_spectrum.networks.graph import extractor_graph
from export.deep_spectrum.networks.network import EmbeddingNetwork
from export.deep_spectrum.networks.normalisation import omissions
from export.deep_spectrum.networks.specification import EXTRACTORS
from export.deep_spectrum.networks.weights import Weights
from export.deep_spectrum.picture.graph import plot_graph
from export.deep_spectrum.picture.presets import PLOT_PRESETS
from export.deep_spectrum.picture.toolkit_picture import toolkit_picture
from export.deep_spectrum.verification import Reference
from export.deep_spectrum.weights.load import load_weights
from service.pipeline.device.session import Session

SAMPLE_RATE_HZ = 16_000
NETWORKS = {"squeezenet": "squeezenet1_1_imagenet_fp16.onnx", "mobilenet_v2": "tf2_mobilenet_v2_1.0_224_ptq.tflite"}
PRESETS = ("ottl-2020", "emonet-2021")
ROUNDS = 5
LENGTHS_S = (2.0, 4.0, 8.0, 16.0, 30.0)
LENGTH_REPEATS = 10
PICTURE_PIXELS = 224

Waveform = np.ndarray
Way = Callable[[Waveform], object]


def weights_of(network: str) -> Weights:
    """Published weights where they are at hand, else random ones."""
    file = Path(os.environ.get("EMOSERVE_SHARED", "../shared")) / "weights" / NETWORKS[network]
    return load_weights(network, str(file) if file.is_file() else "random:1")


def by_bundle(weights: Weights, preset: str) -> Way:
    """Our way: waveform to features."""
    session = Session(speech_graph(weights, ExtractorBundle(preset)).SerializeToString(), device="cpu", threads=1)
    return lambda clip: session.run({"waveform": clip[None], "lengths": np.array([len(clip)])}, ("embedding",))


def by_graph_alone(preset: str, size: int) -> Way:
    """Our picture without a network."""
    model = plot_graph(PLOT_PRESETS[preset], size, SAMPLE_RATE_HZ).SerializeToString()
    session = Session(model, device="cpu", threads=1)
    return lambda clip: session.run({"waveform": clip[None], "lengths": np.array([len(clip)])}, ("picture",))


def by_toolkit(weights: Weights, preset: str, size: int) -> Way:
    """librosa, matplotlib, Pillow and PyTorch."""
    reference = Reference(
        EmbeddingNetwork(weights.network, weights.variant).load(weights.tensors),
        weights.convention,
        omissions("deepspectrum", EXTRACTORS[weights.network].toolkit_omits),
    )

    def features(clip: Waveform) -> object:
        drawn = toolkit_picture(clip, PLOT_PRESETS[preset], size, SAMPLE_RATE_HZ)
        return reference.embed(drawn.astype(np.float32).transpose(2, 0, 1)[None])

    return features


def network_alone(weights: Weights, picture: np.ndarray) -> Way:
    """The network on a picture float32 [1, 3, size, size] that is there already."""
    session = Session(extractor_graph(weights.network, weights).SerializeToString(), device="cpu", threads=1)
    return lambda _clip: session.run({"picture": picture}, ("embedding",))


def seconds(way: Way, clips: Sequence[Waveform]) -> float:
    """Processor time of this thread for all clips, one after another."""
    began = time.thread_time()
    for clip in clips:
        way(clip)
    return time.thread_time() - began


def compare(network: str, preset: str, source: str, clips: list[Waveform]) -> None:
    """Files a second both ways, and what the picture adds to the network's own time."""
    weights, size = weights_of(network), EXTRACTORS[network].size
    drawn = toolkit_picture(clips[0], PLOT_PRESETS[preset], size, SAMPLE_RATE_HZ)
    picture = drawn.astype(np.float32).transpose(2, 0, 1)[None].copy()
    ways = {
        "ours": by_bundle(weights, preset),
        "toolkit": by_toolkit(weights, preset, size),
        "our_picture": by_graph_alone(preset, size),
        "toolkit_picture": lambda clip: toolkit_picture(clip, PLOT_PRESETS[preset], size, SAMPLE_RATE_HZ),
        "network": network_alone(weights, picture),
    }
    for way in ways.values():
        way(clips[0])
    rounds = [{name: seconds(way, clips) for name, way in ways.items()} for _ in range(ROUNDS)]
    context: dict[str, Any] = {
        "benchmark": "deep-spectrum",
        "network": network,
        "preset": preset,
        "weights": weights.source,
        "files": len(clips),
        "speech": source,
        "mean_duration_s": round(sum(map(len, clips)) / SAMPLE_RATE_HZ / len(clips), 2),
    }

    def ratio(over: str, under: str) -> float:
        return statistics.median(times[over] / times[under] for times in rounds)

    for name in ways:
        rate = len(clips) / statistics.median(times[name] for times in rounds)
        emit(f"deep_spectrum_files_a_second_{name}", rate, "files per second of processor time", **context)
    emit("deep_spectrum_picture_speed", ratio("toolkit_picture", "our_picture"), "ratio", **context)
    emit("deep_spectrum_speed", ratio("toolkit", "ours"), "ratio", **context)
    emit("deep_spectrum_over_network", ratio("ours", "network"), "ratio", **context)


def by_length(preset: str, source: str, clips: list[Waveform]) -> None:
    """Time of the picture against the length of the sound, and how straight the line is."""
    draw = by_graph_alone(preset, PICTURE_PIXELS)
    joined = np.concatenate(clips)
    times = []
    for length_s in LENGTHS_S:
        clip = np.ascontiguousarray(joined[: round(length_s * SAMPLE_RATE_HZ)])
        draw(clip)
        times.append(min(seconds(draw, [clip]) for _ in range(LENGTH_REPEATS)))
    slope_s, start_s = np.polyfit(LENGTHS_S, times, 1)
    straight = float(np.corrcoef(LENGTHS_S, times)[0, 1]) ** 2
    table = {f"{length_s:g} s": round(1000 * time_s, 3) for length_s, time_s in zip(LENGTHS_S, times, strict=True)}
    context: dict[str, Any] = {"benchmark": "deep-spectrum", "preset": preset, "speech": source}
    context |= {"fixed_ms": round(1000 * start_s, 3), "ms_by_length": table}
    emit("deep_spectrum_picture_ms_a_second_of_sound", 1000 * slope_s, "ms", **context)
    emit("deep_spectrum_picture_linearity", straight, "r squared", **context)


def run() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    source, clips = speech()
    with threadpool_limits(1):
        for preset in PRESETS:
            for network in NETWORKS:
                compare(network, preset, source, clips)
            by_length(preset, source, clips)
