"""Choice of the channels of a recording, their names, and the loss of a mix."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from service.pipeline.audio_options import ChannelChoice
from service.pipeline.results import MAX_SPANS, FloatArray, Span
from service.problems import Unprocessable

STEREO = ("left", "right")
"""Names of the channels of a stereo recording."""

CANCELS_BELOW: Final = 0.1
"""A mix cancels where its energy is less than this share of what channels with nothing in common would give: two
channels whose correlation is below −0.9. A voice in one channel alone gives 1, the same in both 2."""

RESTORED_ABOVE: Final = 0.2
"""A channel is left again for the mix only above this share, so that the choice does not flicker."""

PickedChannels = ChannelChoice | Literal["voices"]
"""Channels that a decoder can be asked for: a request's choice, or 'voices', those in which somebody may speak: both of
a stereo recording, which may be one person each, else the mix."""

LEAST_LEVEL: Final = 10 ** (-60 / 20)
"""RMS, re full scale, below which nothing is told of a block: it is a pause."""


@dataclass(frozen=True)
class NamedChannel:
    """One channel: its name in the answer, and its samples, float32 [n]."""

    name: str
    samples: FloatArray


def channel_names(count: int, choice: PickedChannels) -> tuple[str, ...]:
    """Names of the channels that ``choice`` takes of a recording with ``count`` channels.

    'each' is every one, called 'left' and 'right' where there are two, else by its index.

    Raises:
        Unprocessable: the recording has no such channel.
    """
    if choice == "voices":
        choice = "each" if count == 2 else "mix"
    if choice == "each":
        return STEREO if count == 2 else tuple(str(index) for index in range(count))
    if choice != "mix" and STEREO.index(choice) >= count:
        raise Unprocessable(f"The recording has no {choice} channel.", pointer="/channel")
    return (choice,)


def select_channels(samples: FloatArray, choice: ChannelChoice) -> list[NamedChannel]:
    """Pick from float32 [channels, n].

    'mix' is the mean of all channels, 'left' the first, 'right' the second; 'each' is every one on its own.

    Raises:
        Unprocessable: the recording has no such channel.
    """
    names = channel_names(len(samples), choice)
    if choice == "mix":
        mix = samples[0] if len(samples) == 1 else samples.mean(axis=0, dtype=np.float32)
        return [NamedChannel("mix", np.ascontiguousarray(mix, np.float32))]
    first = STEREO.index(choice) if choice in STEREO else 0
    return [
        NamedChannel(name, np.ascontiguousarray(samples[first + index], np.float32)) for index, name in enumerate(names)
    ]


class ChannelPicker:
    """Picks channels block by block, and replaces a mix in which the voice cancels by the louder channel.

    Args:
        choice: what is asked for; None keeps every channel.
        count: channels of the recording.
        rate_hz: sample rate of the blocks.

    Raises:
        Unprocessable: the recording has no such channel.
    """

    def __init__(self, choice: PickedChannels | None, count: int, rate_hz: int) -> None:
        self.names = channel_names(count, choice or "each")
        self._choice = ("each" if count == 2 else "mix") if choice == "voices" else choice
        self._count = count
        self._rate_hz = rate_hz
        self._energy = np.zeros(count)
        self._mix_energy = 0.0
        self._samples = 0
        self._cancels = False
        self._spans: list[tuple[int, int]] = []

    def pick(self, block: FloatArray, position: int) -> FloatArray:
        """Take float32 [channels, n] of which the first sample lies at ``position``; return float32 [picked, n]."""
        if self._choice is None or self._choice == "each" or (self._choice == "mix" and self._count == 1):
            return block
        if self._choice == "mix":
            return self._mix(block, position)
        index = STEREO.index(self._choice)
        return block[index : index + 1]

    @property
    def mix_cancels(self) -> bool:
        """Whether a channel stood in for the mix anywhere."""
        return bool(self._spans)

    @property
    def spans(self) -> list[Span]:
        """Stretches where a channel stood in for the mix, in seconds, in order."""
        return [(begin / self._rate_hz, end / self._rate_hz) for begin, end in self._spans]

    @property
    def levels(self) -> tuple[list[float], float] | None:
        """RMS of each channel and of the mix over the whole recording; None where nothing was mixed."""
        if not self._samples:
            return None
        return np.sqrt(self._energy / self._samples).tolist(), float(np.sqrt(self._mix_energy / self._samples))

    def _mix(self, block: FloatArray, position: int) -> FloatArray:
        mix: FloatArray = block.mean(axis=0, dtype=np.float32)[None]
        samples = block.shape[1]
        energy = np.einsum("cn,cn->c", block, block, dtype=np.float64)
        mix_energy = float(np.einsum("cn,cn->", mix, mix, dtype=np.float64))
        self._energy += energy
        self._mix_energy += mix_energy
        self._samples += samples
        uncorrelated = float(energy.sum()) / self._count**2
        if float(energy.max(initial=0.0)) > samples * LEAST_LEVEL**2:
            self._cancels = mix_energy < (RESTORED_ABOVE if self._cancels else CANCELS_BELOW) * uncorrelated
            if self._cancels:
                self._add(position, position + samples)
        if not self._cancels:
            return mix
        louder = int(np.argmax(self._energy))
        return block[louder : louder + 1]

    def _add(self, begin: int, end: int) -> None:
        if self._spans and (self._spans[-1][1] >= begin or len(self._spans) >= MAX_SPANS):
            begin = self._spans.pop()[0]
        self._spans.append((begin, end))
