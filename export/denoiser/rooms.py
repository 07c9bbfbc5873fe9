"""Rooms that a program makes: a direct path and a diffuse field behind it.

Reflections in a room of volume V arrive at a rate of 4πc³t²/V (Kuttruff, Room Acoustics, section 4.1), each with an
amplitude of 1/(ct) and a random sign, and decay by 60 dB in the reverberation time. Their strength against the direct
sound follows from volume and distance; nothing is set by hand. One decay holds for all frequencies, and nothing
stands in the way of the direct path.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

SPEED_OF_SOUND_M_S = 343.0
EARLY_S = 0.05
"""Reflections up to 50 ms after the direct sound support speech (clarity C50) and belong to the target."""

DECAY = 3.0 * np.log(10.0)
"""Amplitude falls by exp(−DECAY·t/RT60): 60 dB in RT60."""


@dataclass(frozen=True)
class Room:
    """Impulse responses from one place in one room to a microphone.

    Attributes:
        response: float32 [samples]; the direct sound is 1 and comes first.
        early_samples: how much of ``response`` is early sound.
    """

    response: NDArray[np.float32]
    early_samples: int

    def apply(self, speech: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The speech as it arrives in full and its early part alone, both float32 of the length of ``speech``."""
        samples = len(speech)
        full = oaconvolve(speech, self.response)[:samples]
        early = oaconvolve(speech, self.response[: self.early_samples])[:samples]
        return full.astype(np.float32), early.astype(np.float32)


def make_room(
    random: np.random.Generator, rt60_s: float, distance_m: float, volume_m3: float, sample_rate_hz: int
) -> Room:
    """Draw the reflections of a room.

    Args:
        rt60_s: time in which sound decays by 60 dB; the response is as long.
        distance_m: from mouth to microphone.
    """
    delay_s = distance_m / SPEED_OF_SOUND_M_S
    time_s = delay_s + np.arange(1, int(rt60_s * sample_rate_hz)) / sample_rate_hz
    rate = 4.0 * np.pi * SPEED_OF_SOUND_M_S**3 * time_s**2 / volume_m3 / sample_rate_hz
    arrivals = random.poisson(rate)
    signs = 2 * random.binomial(arrivals, 0.5) - arrivals
    tail = signs * np.exp(-DECAY * time_s / rt60_s) * distance_m / (SPEED_OF_SOUND_M_S * time_s)
    response = np.concatenate([[1.0], tail]).astype(np.float32)
    return Room(response, round(EARLY_S * sample_rate_hz))


def draw_room(
    random: np.random.Generator, sample_rate_hz: int, distance_m: tuple[float, float], rt60_s: tuple[float, float]
) -> Room:
    """A room of 30 … 200 m³ with distance and reverberation time drawn from the given ranges."""
    return make_room(
        random, random.uniform(*rt60_s), random.uniform(*distance_m), random.uniform(30.0, 200.0), sample_rate_hz
    )
