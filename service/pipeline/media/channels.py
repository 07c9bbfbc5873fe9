"""Choice and names of a recording's channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.pipeline.results import ChannelChoice, FloatArray
from service.problems import Unprocessable

STEREO = ("left", "right")
"""Names of the channels of a stereo recording."""


@dataclass(frozen=True)
class NamedChannel:
    """One channel: its name in the answer, and its samples, float32 [n]."""

    name: str
    samples: FloatArray


def select_channels(samples: FloatArray, choice: ChannelChoice) -> list[NamedChannel]:
    """Select channels of float32 [channels, n].

    'mix' is the mean of all channels, 'left' the first, 'right' the second. 'each' is every channel, named 'left' and
    'right' where there are two, else by index.

    Raises:
        Unprocessable: the recording has no such channel.
    """
    count = len(samples)
    if choice == "mix":
        mix = samples[0] if count == 1 else samples.mean(axis=0, dtype=np.float32)
        return [NamedChannel("mix", np.ascontiguousarray(mix, np.float32))]
    if choice == "each":
        names = STEREO if count == 2 else tuple(str(index) for index in range(count))
        return [_named(name, samples[index]) for index, name in enumerate(names)]
    index = STEREO.index(choice)
    if index >= count:
        raise Unprocessable(f"The recording has no {choice} channel.", pointer="/channel")
    return [_named(choice, samples[index])]


def _named(name: str, samples: FloatArray) -> NamedChannel:
    return NamedChannel(name, np.ascontiguousarray(samples, np.float32))
