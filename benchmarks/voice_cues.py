"""Clips of speech that get no answer, and sounds without speech that get one: a count of what is taken for voice.

Speech is judged as it is, in rooms, and through a wall. The whole pipeline decides, with its voice activity and cues.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import signal

from benchmarks.lines import RATE_HZ, lines
from benchmarks.measurement import machine
from benchmarks.non_speech import KINDS, non_speech
from benchmarks.robustness import judge, load, wav
from export.denoiser.noises import TRAINING_FAMILIES, UNSEEN_FAMILIES
from service.local.engine import running_engine
from service.pipeline.audio_options import AudioOptions
from service.pipeline.results import FloatArray
from service.settings import Settings

WALL_HZ = 1000
"""Corner of the low-pass that a wall makes, of fourth order."""

NOISE_S = 4.0
SEED = 440


def surroundings(clips: Sequence[FloatArray]) -> Iterator[tuple[str, list[FloatArray]]]:
    """The clips by what is between mouth and microphone: nothing, rooms, a wall."""
    yield "as it is", list(clips)
    for name, room in lines(clips):
        if name.startswith("room"):
            source = np.random.default_rng(SEED)
            yield name, [room(clip, source) for clip in clips]
    wall = signal.butter(4, WALL_HZ, fs=RATE_HZ, output="sos")
    yield "through a wall", [np.asarray(signal.sosfilt(wall, clip), np.float32) for clip in clips]


def without_speech(of_each: int) -> Iterator[tuple[str, list[FloatArray]]]:
    """Sounds without speech by kind: drawn ones, then the noises of the denoiser."""
    for kind in KINDS:
        yield kind, [non_speech(kind, seed, float(seed % 2)) for seed in range(of_each)]
    for kind, make in {**TRAINING_FAMILIES, **UNSEEN_FAMILIES}.items():
        sounds = []
        for seed in range(of_each):
            source = np.random.default_rng([seed, *kind.encode()])
            sound = make(source, round(NOISE_S * RATE_HZ)) * 10 ** source.uniform(-2, -1)
            sounds.append(np.clip(sound, -1, 1).astype(np.float32))
        yield f"noise: {kind}", sounds


def main(words: Sequence[str]) -> int:
    """Measure and print a table of speech, and one of what is none."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.voice_cues", description=__doc__)
    parser.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS", help="folder with utterances.csv")
    parser.add_argument("--partition", default="devel")
    parser.add_argument("--at-most", type=int, default=60, metavar="N", help="clips of each corpus")
    parser.add_argument("--of-each", type=int, default=8, metavar="N", help="sounds of each kind without speech")
    arguments = parser.parse_args(words)
    with running_engine(Settings()) as engine:
        options = AudioOptions(rows=False)
        labels = list(engine.speech.model_for(options).bundle.card.labels)

        def answered(clips: Sequence[FloatArray]) -> int:
            return int(np.sum(judge(engine.speech, [wav(clip) for clip in clips], options).best >= 0))

        sys.stdout.write(f"{machine()}\n\n| corpus | speech | clips | without an answer |\n|---|---|---|---|\n")
        for folder in arguments.corpora:
            clips, _ = load(folder, arguments.partition, labels, arguments.at_most)
            for name, heard in surroundings(clips):
                sys.stdout.write(f"| {folder.name} | {name} | {len(heard)} | {len(heard) - answered(heard)} |\n")
                sys.stdout.flush()
        sys.stdout.write("\n| without speech | sounds | answered |\n|---|---|---|\n")
        for name, sounds in without_speech(arguments.of_each):
            sys.stdout.write(f"| {name} | {len(sounds)} | {answered(sounds)} |\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
