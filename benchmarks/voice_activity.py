"""Voice activity: processor time for a second of sound of the graph, of the publisher's, and of the cues beside it.

All take the same speech in turns, on one thread, and the probabilities of both graphs are compared.
"""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.measurement import emit
from benchmarks.pictures import speech
from export.voice_activity.bundle import SETTINGS
from export.voice_activity.graph import CONTEXT_SAMPLES, STATE_SIZE, STEP_SAMPLES, matrix_graph
from export.voice_activity.source import published_graph
from service.pipeline.device.session import Session
from service.pipeline.results import FloatArray
from service.pipeline.speech.voice_activity import CHUNK_STEPS
from service.pipeline.speech.voice_cues import VoiceCues

ROUNDS = 40
RATE_HZ = 16_000


def run() -> None:
    """Measure and print."""
    source, clips = speech()
    samples = np.resize(np.concatenate(clips), CHUNK_STEPS * STEP_SAMPLES).astype(np.float32)
    padded = np.concatenate([np.zeros(CONTEXT_SAMPLES, np.float32), samples])
    steps = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT_SAMPLES + STEP_SAMPLES)[::STEP_SAMPLES].copy()
    published = published_graph().graph
    graphs = {"published": published, "matrix": matrix_graph(published, {}).SerializeToString()}
    sessions = {name: Session(graph, device="cpu", threads=1) for name, graph in graphs.items()}
    probabilities = {name: _probabilities(session, steps) for name, session in sessions.items()}

    def cues() -> None:
        heard = VoiceCues(RATE_HZ, STEP_SAMPLES)
        heard.decide(heard.filtered(samples), probabilities["matrix"], float(str(SETTINGS["threshold"])))

    works: dict[str, Callable[[], object]] = {
        name: lambda session=session: _probabilities(session, steps) for name, session in sessions.items()
    } | {"cues": cues}
    least = dict.fromkeys(works, np.inf)
    for _ in range(ROUNDS):
        for name, work in works.items():
            began_s = time.process_time()
            work()
            least[name] = min(least[name], time.process_time() - began_s)
    duration_s, about = len(samples) / RATE_HZ, {"benchmark": "voice-activity"}
    for name, value in least.items():
        emit(
            f"voice_activity_{name}",
            1000 * value / duration_s,
            "ms a second of sound",
            **about,
            data=source,
            rounds=ROUNDS,
        )
    difference = float(np.abs(probabilities["matrix"] - probabilities["published"]).max())
    emit("voice_activity_ratio", least["matrix"] / least["published"], "", ratio_of="matrix over published", **about)
    emit("voice_activity_difference", 1e6 * difference, "millionths of a probability", steps=len(steps), **about)


def _probabilities(session: Session, steps: FloatArray) -> FloatArray:
    state = np.zeros((1, 1, STATE_SIZE), np.float32)
    return session.run({"input": steps, "h": state, "c": state}, ("speech_probs",))["speech_probs"]
