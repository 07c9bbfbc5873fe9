"""Noises that a program makes: no recording of real noise is among them, and cards say so.

Each family is a function of a random generator and a length that gives float32 [samples] of mean square 1 at
16 kHz. Training hears :data:`TRAINING_FAMILIES` and voices of its own speakers; :data:`UNSEEN_FAMILIES` are kept for
the figures.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

SAMPLE_RATE_HZ = 16_000

Noise = NDArray[np.float32]
Random = np.random.Generator
Family = Callable[[Random, int], Noise]


def unit_power(signal: NDArray[np.floating]) -> Noise:
    """Scale to mean square 1; silence stays silence."""
    level = float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))
    return (signal / max(level, 1e-9)).astype(np.float32)


def coloured(random: Random, samples: int, slope: float) -> Noise:
    """Gaussian noise whose power falls with frequency to the power of ``slope``, flat below 20 Hz."""
    spectrum = random.normal(size=samples // 2 + 1) + 1j * random.normal(size=samples // 2 + 1)
    frequency_hz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    return unit_power(np.fft.irfft(spectrum * np.maximum(frequency_hz, 20.0) ** (-slope / 2), samples))


def white(random: Random, samples: int) -> Noise:
    """Equal power at all frequencies."""
    return coloured(random, samples, 0.0)


def pink(random: Random, samples: int) -> Noise:
    """3 dB less an octave, give or take 1."""
    return coloured(random, samples, random.uniform(0.7, 1.3))


def brown(random: Random, samples: int) -> Noise:
    """6 dB less an octave, give or take 1."""
    return coloured(random, samples, random.uniform(1.7, 2.3))


def hum(random: Random, samples: int) -> Noise:
    """Mains hum of 50 or 60 Hz with up to 30 harmonics over faint pink noise."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    base_hz = random.choice([50.0, 60.0]) * random.uniform(0.99, 1.01)
    signal = np.zeros(samples)
    for harmonic in range(1, int(random.integers(4, 31))):
        strength = random.uniform(0.1, 1.0) / harmonic ** random.uniform(0.2, 1.2)
        signal += strength * np.sin(2 * np.pi * (harmonic * base_hz * time_s + random.uniform()))
    return unit_power(unit_power(signal) + random.uniform(0.02, 0.4) * pink(random, samples))


def clicks(random: Random, samples: int) -> Noise:
    """Impulses that ring for 1 … 20 ms, one to twelve a second, over very faint noise."""
    signal = 0.01 * white(random, samples)
    for _ in range(1 + random.poisson(random.uniform(1.0, 12.0) * samples / SAMPLE_RATE_HZ)):
        decay_s = random.uniform(0.001, 0.02)
        time_s = np.arange(int(6 * decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        wave = np.sin(2 * np.pi * random.uniform(200.0, 6000.0) * time_s) + random.normal(size=len(time_s))
        _add(signal, wave * np.exp(-time_s / decay_s) * random.lognormal(0.0, 0.7), int(random.integers(samples)))
    return unit_power(signal)


def tones(random: Random, samples: int) -> Noise:
    """Notes with harmonics in three voices, as simple music has."""
    signal = np.zeros(samples)
    root_hz = random.uniform(80.0, 400.0)
    scale = 2.0 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12)
    for voice in range(3):
        place = 0
        while place < samples:
            duration_s = random.uniform(0.12, 0.8)
            time_s = np.arange(int(duration_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
            pitch_hz = root_hz * 2 ** random.integers(0, 2 + voice) * random.choice(scale)
            harmonics = np.arange(1, 7)[pitch_hz * np.arange(1, 7) < SAMPLE_RATE_HZ / 2]
            strength = random.uniform(0.1, 1.0, len(harmonics)) / harmonics
            note = (strength[:, None] * np.sin(2 * np.pi * pitch_hz * harmonics[:, None] * time_s)).sum(axis=0)
            envelope = np.minimum(1.0, time_s / 0.01) * np.exp(-time_s / random.uniform(0.1, 1.0))
            _add(signal, note * envelope * random.uniform(0.3, 1.0), place)
            place += len(time_s)
    return unit_power(signal)


def street(random: Random, samples: int) -> Noise:
    """Low noise that swells as vehicles pass, with a droning engine."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    swell = 10 ** (
        random.uniform(0.2, 0.7) * np.sin(2 * np.pi * (random.uniform(0.05, 0.6) * time_s + random.uniform()))
    )
    engine_hz = random.uniform(25.0, 90.0) * (1 + 0.1 * np.sin(2 * np.pi * random.uniform(0.05, 0.3) * time_s))
    phase = 2 * np.pi * np.cumsum(engine_hz) / SAMPLE_RATE_HZ
    engine = sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 9))
    tyres = coloured(random, samples, random.uniform(0.8, 1.8))
    return unit_power(swell * (tyres + random.uniform(0.0, 0.7) * engine))


def fan(random: Random, samples: int) -> Noise:
    """Air noise that flutters with the blades, and the blades' own tones."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    blades_hz = random.uniform(60.0, 240.0)
    air = sosfilt(butter(2, random.uniform(600.0, 3000.0), fs=SAMPLE_RATE_HZ, output="sos"), white(random, samples))
    flutter = 1 + 0.4 * np.sin(2 * np.pi * blades_hz / random.integers(3, 8) * time_s)
    rotor = sum(np.sin(2 * np.pi * (blades_hz * k * time_s + random.uniform())) / k for k in range(1, 6))
    return unit_power(unit_power(air) * flutter + random.uniform(0.1, 0.6) * rotor)


def typing(random: Random, samples: int) -> Noise:
    """Keys pressed and released in bursts: a knock of the desk and a rattle of the key."""
    signal = 0.01 * pink(random, samples)
    place = int(random.integers(SAMPLE_RATE_HZ // 4))
    while place < samples:
        for delay_s, strength in ((0.0, 1.0), (random.uniform(0.06, 0.12), random.uniform(0.3, 0.6))):
            time_s = np.arange(SAMPLE_RATE_HZ // 25) / SAMPLE_RATE_HZ
            knock = np.sin(2 * np.pi * random.uniform(120.0, 260.0) * time_s) * np.exp(-time_s / 0.012)
            rattle = random.normal(size=len(time_s)) * np.exp(-time_s / random.uniform(0.002, 0.006))
            rattle = lfilter([1.0, -0.9], [1.0], rattle)
            _add(signal, strength * (knock + 2.0 * rattle), place + int(delay_s * SAMPLE_RATE_HZ))
        pause_s = random.uniform(0.4, 1.0) if random.uniform() < 0.15 else random.uniform(0.09, 0.25)
        place += int(pause_s * SAMPLE_RATE_HZ)
    return unit_power(signal)


def rain(random: Random, samples: int) -> Noise:
    """Hiss above 1 … 3 kHz and hundreds of drops a second."""
    edge_hz = random.uniform(1000.0, 3000.0)
    hiss = sosfilt(butter(1, edge_hz, "highpass", fs=SAMPLE_RATE_HZ, output="sos"), white(random, samples))
    drops = np.where(random.uniform(size=samples) < random.uniform(100, 800) / SAMPLE_RATE_HZ, 1.0, 0.0)
    drops *= random.lognormal(0.0, 1.0, samples)
    ring_hz, radius = random.uniform(1500.0, 5000.0), random.uniform(0.8, 0.97)
    poles = [1.0, -2 * radius * np.cos(2 * np.pi * ring_hz / SAMPLE_RATE_HZ), radius**2]
    return unit_power(unit_power(hiss) + random.uniform(0.5, 1.5) * unit_power(lfilter([1.0], poles, drops)))


def siren(random: Random, samples: int) -> Noise:
    """A tone with harmonics that sweeps up and down, over faint noise."""
    time_s = np.arange(samples) / SAMPLE_RATE_HZ
    sweep = np.sin(2 * np.pi * (random.uniform(0.2, 3.0) * time_s + random.uniform()))
    pitch_hz = random.uniform(500.0, 1000.0) * 2 ** (random.uniform(0.2, 0.8) * sweep)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    tone = sum(np.sin(k * phase) / k**1.5 for k in range(1, 5))
    return unit_power(unit_power(tone) + 0.1 * brown(random, samples))


TRAINING_FAMILIES: Mapping[str, Family] = {
    "white": white,
    "pink": pink,
    "brown": brown,
    "hum": hum,
    "clicks": clicks,
    "tones": tones,
    "street": street,
}
UNSEEN_FAMILIES: Mapping[str, Family] = {"fan": fan, "typing": typing, "rain": rain, "siren": siren}


def babble(random: Random, samples: int, voices: Sequence[NDArray[np.float32]]) -> Noise:
    """Three to eight recordings of ``voices`` at once, each repeated to the length."""
    signal = np.zeros(samples)
    for _ in range(int(random.integers(3, 9))):
        voice = voices[int(random.integers(len(voices)))]
        repeated = np.resize(np.roll(voice, int(random.integers(len(voice)))), samples)
        signal += unit_power(repeated) * random.uniform(0.4, 1.0)
    return unit_power(signal)


def _add(signal: NDArray[np.floating], event: NDArray[np.floating], place: int) -> None:
    """Add an event at ``place``, cut where the signal ends."""
    part = event[: max(0, len(signal) - place)]
    signal[place : place + len(part)] += part
