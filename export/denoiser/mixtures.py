"""Pairs of disturbed and wanted speech for the denoiser: recordings, synthetic noises and synthetic rooms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from export.corpora.audio import Waveform, read_waveform
from export.corpora.tables import Corpus
from export.denoiser.noises import SAMPLE_RATE_HZ, TRAINING_FAMILIES, babble, unit_power
from export.denoiser.rooms import Room, draw_room

SNR_RANGE_DB = (-5.0, 20.0)
RT60_RANGE_S = (0.2, 0.9)
TRAINING_DISTANCE_M = (0.5, 4.0)
TEMPOS = (0.87, 1.0, 1.15)
"""Every voice is also heard faster and slower, with pitch and formants: five speakers become more."""

SILENCE = 3e-4
"""Waveform below this magnitude at the ends of a recording are taken for padding."""


@dataclass(frozen=True)
class MixtureConfig:
    """Ranges and shares that training examples are drawn from; shares are probabilities.

    Attributes:
        segment_s: length of an example.
        clean, room, noise: shares of untouched speech, of a room alone and of noise alone; the rest has both.
        second_noise: share of the noisy examples in which two families sound at once.
        noises, rooms: how many different ones a run has, at least one of each.
    """

    segment_s: float = 3.0
    clean: float = 0.06
    room: float = 0.12
    noise: float = 0.42
    second_noise: float = 0.3
    noises: int = 320
    rooms: int = 240
    noise_s: float = 10.0


class MixtureSampler:
    """Draws batches. The same seed and step give the same batch, so a resumed run sees what it would have seen."""

    def __init__(self, corpora: Sequence[Corpus], config: MixtureConfig, seed: int) -> None:
        self.config = config
        self._seed = seed
        self._speakers = read_speakers(corpora)
        self._voices = [clip for clips in self._speakers for clip in clips]
        self._rooms: dict[int, Room] = {}
        self._noises: dict[int, Waveform] = {}

    def draw(self, step: int, batch_size: int) -> tuple[Waveform, Waveform]:
        """Disturbed and wanted speech, each float32 [batch, samples]."""
        random = np.random.default_rng([self._seed, 1, step])
        pairs = [self._example(random) for _ in range(batch_size)]
        return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])

    def _room(self, index: int) -> Room:
        """Room ``index`` of the run, made when it is first asked for."""
        if index not in self._rooms:
            random = np.random.default_rng([self._seed, 2, index])
            self._rooms[index] = draw_room(random, SAMPLE_RATE_HZ, TRAINING_DISTANCE_M, RT60_RANGE_S)
        return self._rooms[index]

    def _long_noise(self, index: int) -> Waveform:
        """Noise ``index`` of the run, made when it is first asked for."""
        if index not in self._noises:
            random = np.random.default_rng([self._seed, 3, index])
            samples = round(self.config.noise_s * SAMPLE_RATE_HZ)
            families = list(TRAINING_FAMILIES.values())
            family = families[int(random.integers(len(families)))]
            # One in four is babble: voices are the hardest to tell from the voice that is wanted.
            is_babble = index % 4 == 0
            self._noises[index] = babble(random, samples, self._voices) if is_babble else family(random, samples)
        return self._noises[index]

    def _example(self, random: np.random.Generator) -> tuple[Waveform, Waveform]:
        config = self.config
        speech = self._speech(random)
        kind = random.uniform()
        if kind < config.clean:
            return speech, speech
        room = self._room(int(random.integers(self.config.rooms)))
        if kind < config.clean + config.room:
            return room.apply(speech)
        if kind < config.clean + config.room + config.noise:
            return add_noise(speech, self._noise(random), random.uniform(*SNR_RANGE_DB)), speech
        heard, wanted = room.apply(speech)
        return add_noise(heard, self._noise(random), random.uniform(*SNR_RANGE_DB)), wanted

    def _speech(self, random: np.random.Generator) -> Waveform:
        """One speaker's recordings behind one another with pauses, cut to the segment."""
        needed = round(self.config.segment_s * SAMPLE_RATE_HZ)
        clips = self._speakers[int(random.integers(len(self._speakers)))]
        parts: list[Waveform] = [np.zeros(int(random.integers(needed // 4)), np.float32)]
        while sum(len(part) for part in parts) < 2 * needed:
            parts += [clips[int(random.integers(len(clips)))], np.zeros(int(random.integers(1, 8000)), np.float32)]
        joined = np.concatenate(parts)
        start = int(random.integers(needed)) if random.uniform() < 0.7 else 0
        return unit_power(joined[start : start + needed]) * np.float32(0.1)

    def _noise(self, random: np.random.Generator) -> Waveform:
        noise = self._piece(random)
        if random.uniform() < self.config.second_noise:
            noise = noise + self._piece(random) * np.float32(random.uniform(0.2, 1.0))
        return noise

    def _piece(self, random: np.random.Generator) -> Waveform:
        noise = self._long_noise(int(random.integers(self.config.noises)))
        samples = round(self.config.segment_s * SAMPLE_RATE_HZ)
        start = int(random.integers(max(1, len(noise) - samples)))
        return np.resize(noise[start : start + samples], samples)


def add_noise(speech: Waveform, noise: Waveform, snr_db: float) -> Waveform:
    """``speech`` with ``noise`` scaled so that their powers over the whole recording stand at ``snr_db``."""
    level = float(np.sqrt(np.mean(np.square(speech, dtype=np.float64))))
    return speech + unit_power(noise) * np.float32(level * 10 ** (-snr_db / 20))


def read_speakers(corpora: Sequence[Corpus], tempos: Sequence[float] = TEMPOS) -> list[list[Waveform]]:
    """Recordings of each speaker without silent ends, at each tempo; a tempo makes a speaker of its own.

    A recording whose file name was read before is passed over: two editions of a corpus hold the same speech.
    """
    speakers: dict[tuple[str, float], list[Waveform]] = {}
    seen: set[str] = set()
    for corpus in corpora:
        for utterance in corpus.utterances:
            assert utterance.audio is not None
            if utterance.audio.stem in seen:
                continue
            seen.add(utterance.audio.stem)
            clip = trim(read_waveform(utterance.audio, SAMPLE_RATE_HZ))
            if len(clip) < SAMPLE_RATE_HZ // 4:
                continue
            for tempo in tempos:
                heard = clip if tempo == 1.0 else soxr.resample(clip, SAMPLE_RATE_HZ * tempo, SAMPLE_RATE_HZ)
                speakers.setdefault((utterance.speaker, tempo), []).append(unit_power(heard) * np.float32(0.1))
    return list(speakers.values())


def trim(clip: Waveform) -> Waveform:
    """Cut silent ends off."""
    loud = np.flatnonzero(np.abs(clip) > SILENCE)
    return clip[loud[0] : loud[-1] + 1] if len(loud) else clip[:0]
