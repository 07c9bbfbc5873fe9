"""Sounds that are no speech, drawn: noises, hums, engines, tones, music, calls of animals and cries of babies."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

RATE_HZ = 16_000
SECONDS = 4.0
COUNT = round(SECONDS * RATE_HZ)
TIMES_S = np.arange(COUNT) / RATE_HZ

Sound = NDArray[Any]
Source = np.random.Generator


def non_speech(kind: str, seed: int, silence_s: float = 1.0) -> NDArray[np.float32]:
    """One drawn sound behind digital silence: float32 [n], RMS 0.1 to 0.01."""
    source = np.random.default_rng([seed, *kind.encode()])
    sound = np.asarray(KINDS[kind](source), np.float64)[:COUNT]
    sound *= 10 ** source.uniform(-2, -1) / np.sqrt(np.mean(sound**2))
    return np.concatenate([np.zeros(round(silence_s * RATE_HZ)), sound.clip(-1, 1)]).astype(np.float32)


def _noise(source: Source, slope: float = 0.0) -> Sound:
    """Noise whose amplitude falls with this power of the frequency above 20 Hz."""
    spectrum = np.fft.rfft(source.normal(size=COUNT))
    return np.fft.irfft(spectrum / np.maximum(np.fft.rfftfreq(COUNT, 1 / RATE_HZ), 20.0) ** slope, COUNT)


def _band(source: Source, low_hz: float, high_hz: float) -> Sound:
    sections = signal.butter(2, [low_hz, high_hz], "band", fs=RATE_HZ, output="sos")
    return np.asarray(signal.sosfilt(sections, _noise(source)))


def _harmonics(pitch_hz: Sound, amplitudes: Sequence[float] | Sound) -> Sound:
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    return np.asarray(sum(amplitude * np.sin((1 + number) * phase) for number, amplitude in enumerate(amplitudes)))


def _hum(source: Source, pitch_hz: float) -> Sound:
    return _harmonics(np.full(COUNT, pitch_hz), source.uniform(0, 1, 10) / np.arange(1, 11))


def _wander(source: Source, pitch_hz: float, share: float, amplitudes: Sequence[float] | Sound) -> Sound:
    return _harmonics(pitch_hz * (1 + share * np.sin(2 * np.pi * source.uniform(0.2, 1.0) * TIMES_S)), amplitudes)


def _pulses(source: Source, times_s: Sound, pulse: Sound) -> Sound:
    train = np.zeros(COUNT)
    train[(np.asarray(times_s) * RATE_HZ).astype(int) % COUNT] = source.uniform(0.5, 1.0, len(times_s))
    return np.convolve(train, pulse)[:COUNT]


def _notes(source: Source, seconds: float) -> Sound:
    pitches_hz = 220 * 2 ** (source.integers(0, 12, int(SECONDS / seconds) + 1) / 12)
    return np.repeat(pitches_hz, int(seconds * RATE_HZ))[:COUNT]


def _beeps(source: Source) -> Sound:
    is_on = np.sin(2 * np.pi * source.uniform(1, 3) * TIMES_S) > 0
    return is_on * np.sin(2 * np.pi * source.uniform(500, 1500) * TIMES_S)


def _dialling(source: Source) -> Sound:
    low_hz = np.repeat(source.choice([697, 770, 852, 941], 20), COUNT // 20)
    high_hz = np.repeat(source.choice([1209, 1336, 1477], 20), COUNT // 20)
    return np.asarray(_harmonics(low_hz, [1.0]) + _harmonics(high_hz, [1.0]))


def _resonate(sound: Sound, formants: Sequence[tuple[float, float, float]]) -> Sound:
    """The sum of resonances: gain, centre and width in hertz."""
    return np.asarray(
        sum(
            gain * signal.lfilter(*signal.iirpeak(hz, hz / width_hz, fs=RATE_HZ), sound)
            for gain, hz, width_hz in formants
        )
    )


def _bowed(source: Source) -> Sound:
    pitch_hz = _notes(source, 0.8) * (1 + 0.012 * np.sin(2 * np.pi * 5.5 * TIMES_S))
    saw = signal.sawtooth(2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ)
    return _resonate(saw, [(1, 800, 300), (0.7, 1800, 600), (0.5, 3000, 800)])


def _cries(source: Source) -> Sound:
    sound, length = np.zeros(COUNT), round(0.9 * RATE_HZ)
    for start in range(0, COUNT - length, round(1.2 * RATE_HZ)):
        times_s = np.arange(length) / RATE_HZ
        pitch_hz = source.uniform(350, 480) + source.uniform(60, 160) * np.sin(np.pi * times_s / 0.9)
        saw = signal.sawtooth(2 * np.pi * np.cumsum(pitch_hz + 8 * np.sin(12 * np.pi * times_s)) / RATE_HZ)
        cry = _resonate(saw + 0.1 * source.normal(size=length), [(1, 1100, 250), (0.6, 3000, 500)])
        sound[start : start + length] += cry * np.sqrt(np.hanning(length))
    return sound


def _barks(source: Source) -> Sound:
    times_s = np.arange(2500) / RATE_HZ
    throat = source.normal(size=2500) + signal.sawtooth(2 * np.pi * source.uniform(250, 350) * times_s)
    bark = _resonate(throat, [(1, 700, 200), (0.6, 1300, 300)]) * np.hanning(2500)
    return _pulses(source, np.arange(0.2, SECONDS - 0.5, source.uniform(0.4, 0.9)), bark)


_SAWTOOTH = 1 / np.arange(1, 20)
_CLICK = np.exp(-np.arange(400) / 80)

KINDS: dict[str, Callable[[Source], Sound]] = {
    "white noise": _noise,
    "pink noise": lambda source: _noise(source, 0.5),
    "brown noise": lambda source: _noise(source, 1.0),
    "hum of 50 Hz": lambda source: _hum(source, 50),
    "hum of 60 Hz": lambda source: _hum(source, 60),
    "hum of 100 Hz": lambda source: _hum(source, 100),
    "hum of 120 Hz": lambda source: _hum(source, 120),
    "hum that wanders": lambda source: _wander(source, 100, 0.03, _SAWTOOTH[:11]),
    "low tone": lambda source: np.sin(2 * np.pi * source.uniform(50, 150) * TIMES_S),
    "tone": lambda source: np.sin(2 * np.pi * source.uniform(150, 900) * TIMES_S),
    "high tone": lambda source: np.sin(2 * np.pi * source.uniform(1000, 3500) * TIMES_S),
    "siren": lambda source: _wander(source, 700, 0.57, [1, 0.3, 0.1]),
    "glide": lambda source: signal.chirp(TIMES_S, source.uniform(100, 400), SECONDS, 3000),
    "buzz": lambda source: signal.sawtooth(2 * np.pi * source.uniform(80, 300) * TIMES_S),
    "crackle": lambda source: _pulses(source, source.uniform(0, SECONDS, 20), 0.95 ** np.arange(200)),
    "clock": lambda source: _pulses(source, np.arange(0, SECONDS, 0.5), source.normal(size=400) * _CLICK),
    "fan": lambda source: _band(source, source.uniform(80, 200), source.uniform(400, 900)),
    "engine": lambda source: _wander(source, source.uniform(30, 80), 0.05, _SAWTOOTH) + 0.02 * _noise(source),
    "engine that speeds up": lambda source: (
        _harmonics(np.linspace(source.uniform(60, 120), source.uniform(200, 350), COUNT), _SAWTOOTH)
        + 0.05 * _noise(source)
    ),
    "rain": lambda source: _band(source, 1000, 7900),
    "waves": lambda source: _noise(source, 0.5) * (1 + np.sin(2 * np.pi * 0.3 * TIMES_S)),
    "beating noise": lambda source: _noise(source) * (1 + np.sin(2 * np.pi * 4 * TIMES_S)),
    "noise in the rhythm of speech": lambda source: _band(source, 200, 800) * (1 + 0.9 * np.sin(8 * np.pi * TIMES_S)),
    "train": lambda source: _noise(source, 0.7) * (1 + 0.8 * signal.square(2 * np.pi * source.uniform(1, 3) * TIMES_S)),
    "chord": lambda _: (
        np.sum([_harmonics(np.full(COUNT, hz), _SAWTOOTH[:6]) for hz in (220.0, 277.2, 329.6)], 0) * np.exp(-TIMES_S)
    ),
    "organ": lambda _: np.sum([_harmonics(np.full(COUNT, hz), [1, 0.5, 0.3]) for hz in (261.6, 329.6, 392.0)], 0),
    "bowed string": _bowed,
    "whistle": lambda source: _wander(source, source.uniform(900, 1500), 0.25, [1.0]),
    "telephone": lambda _: (np.sin(880 * np.pi * TIMES_S) + np.sin(960 * np.pi * TIMES_S)) * (TIMES_S % 2 < 1),
    "dialling": _dialling,
    "beeps": _beeps,
    "mosquito": lambda source: _wander(source, source.uniform(400, 600), 0.08, [1, 0.8, 0.6, 0.4]),
    "barks": _barks,
    "baby's cries": _cries,
}
"""The kinds by name."""
