"""Drawn variants of each kind of input, as upload, job and stream: the share whose answer is right.

The right answer follows from how a variant was made of a clip of speech: the clip's own emotion, where it begins, how
long the file is, and which flags it has. Non-speech has no answer.
"""

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soxr

from benchmarks.non_speech import KINDS as NON_SPEECH
from benchmarks.non_speech import non_speech
from benchmarks.robustness import RATE_HZ, hum, load, pink, wav, white, written
from service.jobs.audio_plan import AudioPlan
from service.jobs.plans import JobPlans, job_limits
from service.jobs.spool import Spool
from service.local.engine import LocalEngine, running_engine
from service.pipeline.audio_options import AudioOptions
from service.pipeline.decoding.long_decode import LongDecoder
from service.pipeline.device.admit import Admission
from service.pipeline.results import AudioEmotion, FloatArray
from service.pipeline.speech.live import LiveOptions
from service.settings import Settings
from tests import media_files as files
from tests.support.long_recordings import run_job
from tests.support.presented_files import presented
from tests.support.work import patient

OPTIONS = AudioOptions(rows=False)
BEGIN_S = 0.2
LENGTH_S = 0.2
"""Tolerances of times: steps of the voice activity, and frames of lossy codecs."""


@dataclass(frozen=True)
class Drawn:
    """A variant and what is right for it.

    Attributes:
        file: as it is uploaded.
        samples: the same as float32 [n] or [n, channels] for a stream; None where a stream has no such thing.
        is_speech: whether there is an emotion at all.
        change: largest change of a probability; None asks for the same emotion alone, infinite for any.
        shift_s: seconds by which the voice begins later than in the clip; None leaves it open.
        length_s: of the file; None leaves it open.
        flags, absent: flags that are there, and that are not.
    """

    file: bytes
    samples: FloatArray | None = None
    is_speech: bool = True
    change: float | None = 0.05
    shift_s: float | None = 0.0
    length_s: float | None = None
    flags: frozenset[str] = frozenset()
    absent: frozenset[str] = field(default_factory=lambda: frozenset({"truncated", "damaged", "clipped"}))


Kind = Callable[[FloatArray, random.Random, np.random.Generator], Drawn]


def plain(samples: FloatArray, **expected: object) -> Drawn:
    """A wav file, and the same as a stream."""
    return Drawn(wav(samples), samples, **expected)  # type: ignore[arg-type]


def _offset(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    return plain(clip + np.float32(rng.uniform(0.002, 0.2)))


def _hum(clip: FloatArray, rng: random.Random, source: np.random.Generator) -> Drawn:
    return plain(hum(clip, source, rng.uniform(-50, -32)), change=None)


def _gain(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    most_db = 20 * np.log10(0.98 / np.abs(clip).max())
    return plain((clip * 10 ** (rng.uniform(-30, most_db) / 20)).astype(np.float32))


def _lead(clip: FloatArray, rng: random.Random, source: np.random.Generator) -> Drawn:
    lead_s = rng.uniform(0.5, 2.5)
    noise = rng.choice((white, pink))(lead_s, rng.choice((-81.0, -60.0, -45.0)), source)
    return plain(np.concatenate([noise, clip]), change=None, shift_s=lead_s)


def _tail(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    silence = np.zeros(round(rng.uniform(0.5, 4.0) * RATE_HZ), np.float32)
    return plain(np.concatenate([clip, silence]), change=None)


def _pauses(clip: FloatArray, rng: random.Random, source: np.random.Generator) -> Drawn:
    noise, dbfs = rng.choice((white, pink)), rng.choice((-81.0, -60.0, -45.0))
    pauses = [noise(rng.uniform(0.5, 3.0), dbfs, source) for _ in range(rng.randint(1, 3))]
    parts = [part for pause in pauses for part in (clip, pause)]
    return plain(np.concatenate([*parts, clip]), change=None)


def _telephone(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    codec, rate_hz = rng.choice(
        (("pcm_mulaw", 8_000), ("pcm_alaw", 8_000), ("adpcm_ms", 8_000), ("adpcm_ima_wav", 8_000), ("g722", 16_000))
    )
    file = files.encode("wav", codec, soxr.resample(clip, RATE_HZ, rate_hz)[None], rate_hz)
    # A narrow band hides a weak beginning: the voice may begin later.
    return Drawn(file, change=np.inf, shift_s=None, length_s=len(clip) / RATE_HZ)


def _stereo(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    other = rng.choice((clip, 0 * clip, clip * np.float32(0.5)))
    return plain(np.stack([clip, other], axis=1), absent=frozenset({"mix_cancels"}), change=None)


def _out_of_phase(clip: FloatArray, _: random.Random, __: np.random.Generator) -> Drawn:
    file = wav(np.stack([clip, -clip], axis=1))
    return Drawn(file, change=0.05, flags=frozenset({"mix_cancels"}))


def _lossless(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    kinds = (("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "DOUBLE"), ("FLAC", "PCM_16"), ("AIFF", "PCM_16"))
    return Drawn(written(clip, RATE_HZ, *rng.choice((*kinds, ("CAF", "PCM_24"), ("AU", "PCM_16")))))


def _rate(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    rate_hz = rng.choice((22_050, 32_000, 44_100, 48_000, 96_000))
    return Drawn(wav(soxr.resample(clip, RATE_HZ, rate_hz), rate_hz))


def _presented(clip: FloatArray, rng: random.Random, **options: object) -> bytes:
    container, codec = rng.choice(
        (("mp4", "aac"), ("matroska", "flac"), ("webm", "libopus"), ("matroska", "pcm_s16le"))
    )
    sound = {"codec": codec, "samples": soxr.resample(clip, RATE_HZ, 48_000), **options}
    return presented(container, [sound], pictures=[{"duration_s": 6.0}])


def _late(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    late_s = rng.uniform(0.3, 3.0)
    length_s = max(6.0, late_s + len(clip) / RATE_HZ)
    file = _presented(clip, rng, start_s=late_s)
    return Drawn(file, change=None, shift_s=late_s, length_s=length_s, flags=frozenset({"sound_gap"}))


def _gap(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    gap_s, twice = rng.uniform(1.0, 6.0), np.concatenate([clip, clip])
    file = _presented(twice, rng, gap=(len(clip) / RATE_HZ, gap_s))
    length_s = max(6.0, gap_s + len(twice) / RATE_HZ)
    return Drawn(file, change=None, length_s=length_s, flags=frozenset({"sound_gap"}))


def _second_track(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    voice = soxr.resample(clip, RATE_HZ, 48_000)
    tracks = [
        {"codec": rng.choice(("aac", "flac")), "samples": samples, "default": number == 1}
        for number, samples in enumerate((np.zeros_like(voice), voice))
    ]
    return Drawn(presented("matroska", tracks), change=None, flags=frozenset({"several_tracks"}))


def _joined(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    count = rng.randint(2, 4)
    file = files.wav(clip[None]) * count
    length_s = count * len(clip) / RATE_HZ
    return Drawn(file, change=None, length_s=length_s, flags=frozenset({"header_repaired"}))


def _cut(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    share, whole = rng.uniform(0.5, 0.9), files.wav(clip[None])
    length_s = share * len(clip) / RATE_HZ
    flags, absent = frozenset({"truncated"}), frozenset({"damaged"})
    return Drawn(whole[: round(share * len(whole))], change=np.inf, length_s=length_s, flags=flags, absent=absent)


def _tags(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    tags = b"".join(files.id3(rng.randint(1, 5000)) for _ in range(rng.randint(1, 3)))
    return Drawn(tags + bytes(rng.randint(0, 500)) + files.mp3(clip[None], RATE_HZ), change=None)


def _clipped(clip: FloatArray, rng: random.Random, _: np.random.Generator) -> Drawn:
    loud = np.clip(clip * rng.uniform(4, 10) / np.abs(clip).max(), -1, 1).astype(np.float32)
    file = rng.choice((files.wav, files.flac))(loud[None])
    return Drawn(file, change=np.inf, shift_s=None, flags=frozenset({"clipped"}), absent=frozenset())


def _non_speech(_: FloatArray, rng: random.Random, __: np.random.Generator) -> Drawn:
    sound = non_speech(rng.choice(sorted(NON_SPEECH)), rng.randrange(1_000_000), rng.choice((0.0, 1.0)))
    return plain(sound, is_speech=False, flags=frozenset({"no_speech"}), absent=frozenset())


KINDS: dict[str, Kind] = {
    "offset": _offset,
    "mains hum": _hum,
    "gain": _gain,
    "lead-in of noise": _lead,
    "silence behind": _tail,
    "pauses of noise": _pauses,
    "telephone codec": _telephone,
    "stereo": _stereo,
    "out of phase": _out_of_phase,
    "lossless container": _lossless,
    "sample rate": _rate,
    "late sound": _late,
    "gap": _gap,
    "silent first track": _second_track,
    "files joined": _joined,
    "file cut": _cut,
    "tags and zeros before MP3": _tags,
    "clipped": _clipped,
    "no speech": _non_speech,
}


def is_right(drawn: Drawn, answer: AudioEmotion, clean: AudioEmotion, *, is_stream: bool) -> bool:
    """Whether an answer is the right one, given that for the clip itself."""
    (found,), (known,) = answer.channels, clean.channels
    if found.probabilities is None or known.probabilities is None:
        return not drawn.is_speech and "no_speech" in found.flags
    begins_s = [one.segments.start_s[0] for one in (found, known) if one.segments is not None]
    largest = float(np.abs(found.probabilities - known.probabilities).max())
    return (
        drawn.is_speech
        and (found.emotion == known.emotion if drawn.change is None else largest <= drawn.change)
        and (drawn.shift_s is None or abs(begins_s[0] - begins_s[1] - drawn.shift_s) <= BEGIN_S)
        and (drawn.length_s is None or abs(answer.media.duration_s - drawn.length_s) <= LENGTH_S)
        and (is_stream or drawn.flags <= set(found.flags))
        and not drawn.absent & set(found.flags)
    )


class Routes:
    """Judges a recording as upload, as job and as stream, in this process."""

    def __init__(self, engine: LocalEngine, decoder: LongDecoder, folder: Path, settings: Settings) -> None:
        self._speech = engine.speech
        plan = AudioPlan(engine.speech, job_limits(settings), segment_s=2.0)
        self._plans = JobPlans(plan, None, decoder, Admission(7200.0))
        self._spool = Spool(folder)
        self.labels: list[str] = list(self._speech.model_for(OPTIONS).bundle.card.labels)

    def hold(self, drawn: Drawn, clean: AudioEmotion) -> dict[str, bool]:
        """By route whether the answer is the right one, given that for the clip itself."""
        answers = {"upload": self.upload(drawn.file), "job": self.job(drawn.file)}
        if drawn.samples is not None:
            answers["stream"] = self.stream(drawn.samples)
        return {route: is_right(drawn, answer, clean, is_stream=route == "stream") for route, answer in answers.items()}

    def upload(self, file: bytes) -> AudioEmotion:
        """The answer for an upload."""
        return self._speech.analyse(file, OPTIONS, patient())

    def job(self, file: bytes) -> AudioEmotion:
        """The answer for a job of segments of 2 s."""
        answer, _ = run_job(self._plans, OPTIONS, file, self._spool)
        assert isinstance(answer, AudioEmotion)
        return answer

    def stream(self, samples: FloatArray) -> AudioEmotion:
        """The last answer of a stream of messages of 0.1 s."""
        block = np.atleast_2d(samples.T).T
        pcm = (block * 32767).round().clip(-32768, 32767).astype("<i2")
        live = self._speech.live(LiveOptions(RATE_HZ, pcm.shape[1]))
        for first in range(0, len(pcm), RATE_HZ // 10):
            live.add(pcm[first : first + RATE_HZ // 10].tobytes(), patient())
        live.finish(patient())
        return live.answer()


@contextmanager
def running_routes() -> Iterator[Routes]:
    """The routes over the project's models."""
    settings = Settings(device="cpu", threads=1)
    decoder = LongDecoder(job_limits(settings), 1, 600.0)
    with running_engine(settings) as engine, tempfile.TemporaryDirectory() as folder:
        decoder.start()
        try:
            yield Routes(engine, decoder, Path(folder), settings)
        finally:
            decoder.close()


def print_shares(corpus: Path, variants: int, only: str = "") -> None:
    """Print a table of the shares that hold.

    Args:
        corpus: folder with utterances.csv, of clips at any rate.
        variants: of each kind.
        only: a part of the names of the kinds; empty for all.
    """
    with running_routes() as routes:
        clips, _ = load(corpus, "devel", routes.labels, 5)
        clean = [routes.upload(wav(clip)) for clip in clips]
        print("| kind | variants | upload | job | stream |\n|---|---|---|---|---|")
        for name, make in KINDS.items():
            if only not in name:
                continue
            held: dict[str, list[bool]] = {"upload": [], "job": [], "stream": []}
            for seed in range(variants):
                rng, source = random.Random(f"{name} {seed}"), np.random.default_rng(seed)
                number = rng.randrange(len(clips))
                drawn = make(clips[number], rng, source)
                for route, is_held in routes.hold(drawn, clean[number]).items():
                    held[route].append(is_held)
            shares = [f"{100 * np.mean(one):.0f} %" if one else "–" for one in held.values()]
            print(f"| {name} | {variants} | {' | '.join(shares)} |", flush=True)
