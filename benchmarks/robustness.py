"""Robustness to what surrounds a voice: labelled clips and variants of them, judged by the whole pipeline.

Prints for each variant the largest and the 95th percentile of the change of a probability, the share of clips whose
emotion changes, and the unweighted average recall beside that of the clips themselves.
"""

import argparse
import io
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.lines import lines
from benchmarks.measurement import machine
from export.corpora.tables import read_corpus
from service.local.engine import running_engine
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.task import Work
from service.pipeline.results import FloatArray
from service.pipeline.speech_pipeline import SpeechPipeline
from service.settings import Settings

RATE_HZ = 16_000
PATIENCE_S = 600.0

Variant = Callable[[FloatArray, np.random.Generator], bytes]
"""Makes a file of another recording of float32 [n] at ``RATE_HZ``."""

HELD = ("offset", "container")
"""First words of the variants that may change no probability by more than :data:`MOST_CHANGE`."""

MOST_CHANGE = 0.05

HEADROOM = np.float32(0.7)


@dataclass(frozen=True)
class Judged:
    """Answers for some clips: ``probabilities`` float64 [clips, classes], NaN where there is none."""

    probabilities: NDArray[np.float64]

    @property
    def best(self) -> NDArray[np.intp]:
        """Number of the most probable class, −1 without an answer."""
        known = ~np.isnan(self.probabilities[:, 0])
        return np.where(known, np.nan_to_num(self.probabilities).argmax(axis=1), -1)


def level(dbfs: float) -> float:
    """RMS of a level re full scale."""
    return float(10 ** (dbfs / 20))


def white(seconds: float, dbfs: float, source: np.random.Generator) -> FloatArray:
    """White noise, float32 [n]."""
    return source.normal(0, level(dbfs), round(seconds * RATE_HZ)).astype(np.float32)


def pink(seconds: float, dbfs: float, source: np.random.Generator) -> FloatArray:
    """Noise whose power falls by 3 dB an octave above 20 Hz, float32 [n]."""
    count = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(source.normal(size=count))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 20.0))
    noise = np.fft.irfft(spectrum, count)
    return (noise * level(dbfs) / np.sqrt(np.mean(noise**2))).astype(np.float32)


def hum(clip: FloatArray, source: np.random.Generator, dbfs: float = -32.0) -> FloatArray:
    """Mains hum with three harmonics over a clip."""
    phase = 2 * np.pi * 50 * np.arange(len(clip)) / RATE_HZ + source.uniform(0, 2 * np.pi)
    tones = sum(np.sin(number * phase) / number**2 for number in (1, 2, 3))
    return (clip + level(dbfs) * np.sqrt(2) * tones).astype(np.float32)


def resampled(clip: FloatArray, rate_hz: int) -> bytes:
    """A file of the clip at another rate."""
    return wav(soxr.resample(clip, RATE_HZ, rate_hz), rate_hz)


def line_variants(voices: Sequence[FloatArray]) -> Iterator[tuple[str, Variant]]:
    """Every room, noise and line by name; babble is mixed from ``voices``."""
    for name, line in lines(voices):
        yield name, lambda clip, source, line=line: wav(line(clip, source))  # type: ignore[misc]


def variants() -> Iterator[tuple[str, Variant]]:
    """Every variant of what surrounds a voice by name."""
    for constant in (0.002, 0.01, 0.05, 0.2):
        yield f"offset {constant}", lambda clip, _, constant=constant: wav(clip + np.float32(constant))  # type: ignore[misc]
    yield "hum 50 Hz, -32 dBFS", lambda clip, source: wav(hum(clip, source))
    for colour, noise in (("white", white), ("pink", pink)):
        for dbfs in (-81, -60, -45):
            for lead_s in (0.5, 1.5, 2.5):
                yield f"lead-in {lead_s} s, {colour} noise {dbfs} dBFS", _lead(noise, lead_s, dbfs)
    yield "silence behind, 2 s", lambda clip, _: wav(np.concatenate([clip, np.zeros(2 * RATE_HZ, np.float32)]))
    for gain_db in (-30, -20, -10):
        yield f"gain {gain_db} dB", lambda clip, _, gain=gain_db: wav(clip * np.float32(level(gain)))  # type: ignore[misc]
    yield "gain to just below full scale", lambda clip, _: wav(clip * np.float32(0.999 / np.abs(clip).max()))
    yield "stereo, the same twice", lambda clip, _: wav(np.stack([clip, clip], axis=1))
    yield "stereo, left alone", lambda clip, _: wav(np.stack([clip, np.zeros_like(clip)], axis=1))
    yield "stereo, out of phase", lambda clip, _: wav(np.stack([clip, -clip], axis=1))
    yield (
        "stereo, right 6 dB lower and 0.3 ms later",
        lambda clip, _: wav(np.stack([clip, np.roll(clip, 5) / 2], axis=1)),
    )
    for rate_hz in (22_050, 32_000, 44_100, 48_000):
        yield f"resampled to {rate_hz} Hz", lambda clip, _, rate_hz=rate_hz: resampled(clip, rate_hz)  # type: ignore[misc]
    for kind, coding in (
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("FLAC", "PCM_16"),
        ("AIFF", "PCM_16"),
        ("CAF", "PCM_24"),
    ):
        yield f"container {kind}, {coding}", lambda clip, _, form=(kind, coding): written(clip, RATE_HZ, *form)  # type: ignore[misc]


def _lead(noise: Callable[[float, float, np.random.Generator], FloatArray], lead_s: float, dbfs: float) -> Variant:
    return lambda clip, source: wav(np.concatenate([noise(lead_s, dbfs, source), clip]))


def wav(clip: FloatArray, rate_hz: int = RATE_HZ) -> bytes:
    """A file of 32 bit floats, float32 [n] or [n, channels]."""
    return written(clip, rate_hz, "WAV", "FLOAT")


def written(clip: FloatArray, rate_hz: int, kind: str, coding: str) -> bytes:
    """A file of some kind."""
    buffer = io.BytesIO()
    soundfile.write(buffer, clip, rate_hz, format=kind, subtype=coding)
    return buffer.getvalue()


def largest_changes(clean: Judged, other: Judged) -> NDArray[np.float64]:
    """The change of the probability that changes most, float64 [clips]; to or from no answer it is 1."""
    change = np.abs(other.probabilities - clean.probabilities).max(axis=1)
    return np.where(np.isnan(change), (clean.best != other.best).astype(float), change)


def judge(speech: SpeechPipeline, files: Sequence[bytes], options: AudioOptions) -> Judged:
    """Answers of the whole pipeline for some files."""
    labels = speech.model_for(options).bundle.card.labels
    rows = np.full((len(files), len(labels)), np.nan)
    for row, file in enumerate(files):
        answer = speech.analyse(file, options, Work.within(PATIENCE_S)).channels[0].probabilities
        if answer is not None:
            rows[row] = answer
    return Judged(rows)


def recall(found: NDArray[np.intp], truth: NDArray[np.intp]) -> float:
    """Unweighted average recall."""
    return float(np.mean([np.mean(found[truth == one] == one) for one in np.unique(truth)]))


def compare(name: str, clean: Judged, other: Judged, truth: NDArray[np.intp]) -> str:
    """A row of the table."""
    change = largest_changes(clean, other)
    changed = float(np.mean(clean.best != other.best))
    return (
        f"| {name} | {change.max():.3f} | {np.percentile(change, 95):.3f} | {100 * changed:.1f} % "
        f"| {100 * recall(clean.best, truth):.1f} | {100 * recall(other.best, truth):.1f} |"
    )


def load(folder: Path, partition: str, labels: Sequence[str], at_most: int) -> tuple[list[FloatArray], list[int]]:
    """Clips whose label the model knows, turned down so that no offset clips them, and the number of each label."""
    rows = [one for one in read_corpus(folder).partition(partition).utterances if one.emotion in labels and one.audio]
    random.Random(440).shuffle(rows)
    clips = []
    for row in rows[:at_most]:
        samples, rate_hz = soundfile.read(row.audio, dtype="float32")
        clips.append(HEADROOM * samples if rate_hz == RATE_HZ else HEADROOM * soxr.resample(samples, rate_hz, RATE_HZ))
    return clips, [labels.index(row.emotion) for row in rows[:at_most]]


def main(words: Sequence[str]) -> int:
    """Measure and print a table for each corpus."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__)
    parser.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS", help="folder with utterances.csv")
    parser.add_argument("--model", help="name; left out: the default")
    parser.add_argument("--partition", default="test")
    parser.add_argument("--at-most", type=int, default=10_000, metavar="N", help="clips of each corpus")
    parser.add_argument("--lines", action="store_true", help="rooms, noises, codecs and lost packets instead")
    parser.add_argument("--only", default="", metavar="TEXT", help="variants with this in their names")
    arguments = parser.parse_args(words)
    with running_engine(Settings()) as engine:
        options = AudioOptions(model=arguments.model, rows=False)
        labels = list(engine.speech.model_for(options).bundle.card.labels)
        for folder in arguments.corpora:
            clips, truth = load(folder, arguments.partition, labels, arguments.at_most)
            clean = judge(engine.speech, [wav(clip) for clip in clips], options)
            sys.stdout.write(
                f"\n{folder.name} ({arguments.partition}), {len(clips)} clips, {np.sum(clean.best < 0)} without an "
                f"answer; {machine()}\n\n"
                "| variant | largest change | 95 % below | emotion changes | UAR of clips, % | UAR of variant, % |\n"
                "|---|---|---|---|---|---|\n"
            )
            for name, make in line_variants(clips) if arguments.lines else variants():
                if arguments.only in name:
                    source = np.random.default_rng(440)
                    other = judge(engine.speech, [make(clip, source) for clip in clips], options)
                    sys.stdout.write(compare(name, clean, other, np.asarray(truth)) + "\n")
                    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
