"""The Deep Spectrum picture by our graph against librosa, matplotlib and Pillow: agreement and time a file.

Speech of emodb4, ravdess and nemo in the folder of ``EMOSERVE_SHARED``, or a synthetic voice where they are missing.
Both start from samples in memory and end with pixels; both run on one thread, in turn. Time is that of the processor,
so that other programs on the machine matter less.
"""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.measurement import emit
from export.corpora.audio import read_waveform
from export.corpora.tables import read_corpus
from export.deep_spectrum.picture.graph import plot_graph
from export.deep_spectrum.picture.presets import PLOT_PRESETS, PlotPreset
from export.deep_spectrum.picture.toolkit_picture import toolkit_picture
from export.evaluation.voice import synthetic_voice
from service.pipeline.device.session import Session

SAMPLE_RATE_HZ = 16_000
CORPORA = ("emodb4", "ravdess", "nemo")
CLIPS_A_CORPUS = 8
ROUNDS = 3
SIZES = {"cummins-2017": 227}
"""Network inputs; 224 where nothing else is said (A8, A9)."""

Waveform = np.ndarray
Draw = Callable[[Waveform], np.ndarray]


def speech() -> tuple[str, list[Waveform]]:
    """Name of the source of the clips, and the clips."""
    folder = Path(os.environ.get("EMOSERVE_SHARED", "../shared")) / "corpora"
    if not all((folder / name).is_dir() for name in CORPORA):
        voices = [synthetic_voice(0.5 + 0.25 * seed, SAMPLE_RATE_HZ, seed) for seed in range(3 * CLIPS_A_CORPUS)]
        return "synthetic voice", voices
    clips = []
    for name in CORPORA:
        utterances = read_corpus(folder / name).utterances
        chosen = utterances[:: max(1, len(utterances) // CLIPS_A_CORPUS)][:CLIPS_A_CORPUS]
        clips += [read_waveform(one.audio, SAMPLE_RATE_HZ) for one in chosen if one.audio is not None]
    return ", ".join(CORPORA), clips


def by_graph(preset: PlotPreset, size: int) -> Draw:
    """Our way."""
    session = Session(plot_graph(preset, size, SAMPLE_RATE_HZ).SerializeToString(), device="cpu", threads=1)

    def draw(clip: Waveform) -> np.ndarray:
        return session.run({"waveform": clip[None], "lengths": np.array([len(clip)])}, ("picture",))["picture"][0]

    return draw


def by_toolkit(preset: PlotPreset, size: int) -> Draw:
    """The toolkit's way."""

    def draw(clip: Waveform) -> np.ndarray:
        return toolkit_picture(clip, preset, size, SAMPLE_RATE_HZ).transpose(2, 0, 1)

    return draw


def seconds(draw: Draw, clips: list[Waveform]) -> float:
    began = time.thread_time()
    for clip in clips:
        draw(clip)
    return time.thread_time() - began


def run() -> None:
    """Measure and print."""
    source, clips = speech()
    seconds_of_sound = sum(map(len, clips)) / SAMPLE_RATE_HZ
    for name, preset in PLOT_PRESETS.items():
        size = SIZES.get(name, 224)
        ours, theirs = by_graph(preset, size), by_toolkit(preset, size)
        with threadpool_limits(1):
            errors = [float(np.abs(ours(clip) - theirs(clip)).mean()) for clip in clips]
            rounds = [(seconds(ours, clips), seconds(theirs, clips)) for _ in range(ROUNDS)]
        context: dict[str, Any] = {
            "benchmark": "pictures",
            "preset": name,
            "size": size,
            "files": len(clips),
            "speech": source,
        }
        context["mean_duration_s"] = round(seconds_of_sound / len(clips), 2)
        emit(
            "picture_mean_pixel_error",
            statistics.mean(errors),
            "of 255",
            ratio_of="graph against librosa, matplotlib and Pillow",
            worst_file=round(max(errors), 4),
            **context,
        )
        ratio = statistics.median(other / mine for mine, other in rounds)
        emit("picture_speed", ratio, "ratio", ratio_of="files a second, graph / librosa and matplotlib", **context)
        for way, index in (("graph", 0), ("toolkit", 1)):
            rate = len(clips) / statistics.median(times[index] for times in rounds)
            emit(f"picture_files_a_second_{way}", rate, "files per second of processor time", **context)
