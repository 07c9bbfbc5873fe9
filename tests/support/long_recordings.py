"""Runs the parts of a job one after another, as a service does, with an interruption wherever one is asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.jobs.files import PartFiles, store_profile
from service.jobs.job import JobOptions
from service.jobs.plans import JobPlans, Result
from service.jobs.spool import JobSpool, Spool
from service.pipeline.audio_options import AudioOptions
from service.pipeline.decoding.long_decode import SoundFacts
from service.pipeline.media.channels import PickedChannels
from service.pipeline.results import FlagSpan
from service.pipeline.video.video_results import VideoOptions
from tests.plain_wav import PlainDecoder
from tests.support.work import patient

KEY = b"k" * 32
"""Key of every job that :func:`run_job` runs."""


@dataclass
class Bytes:
    """A source of bytes in memory; notes the largest piece that was asked for."""

    content: bytes
    largest: int = 0

    def __len__(self) -> int:
        return len(self.content)

    def read(self, start: int, size: int) -> bytes:
        self.largest = max(self.largest, size)
        return self.content[start : start + size]


def pieces(length: int, cuts: Sequence[int]) -> Iterator[slice]:
    """Slices between ``cuts``, which may be equal or beyond the end."""
    places = [0, *sorted(min(cut, length) for cut in cuts), length]
    return (slice(begin, end) for begin, end in itertools.pairwise(places))


class PlainLongDecoder:
    """Has the interface of a decoder of long recordings; plays 16 bit PCM wav in this process.

    Args:
        cuts: samples between which the blocks lie; they may be changed between two recordings.
        spans: when flags hold.
    """

    def __init__(self, cuts: Sequence[int] = (), spans: tuple[FlagSpan, ...] = ()) -> None:
        self.cuts, self.spans = cuts, spans

    def start(self) -> None:
        """There is nothing to start."""

    def close(self) -> None:
        """There is nothing to end."""

    def sound(
        self,
        source: Bytes,
        *,
        target_rate_hz: int,
        start_s: float | None = None,
        end_s: float | None = None,
        channel: PickedChannels | None = "each",
        track: int | None = None,
    ) -> PlainPlayback:
        decoded = PlainDecoder().audio(
            source.content, target_rate_hz=target_rate_hz, start_s=start_s, end_s=end_s, channel=channel, track=track
        )
        blocks = [decoded.samples[:, piece] for piece in pieces(decoded.samples.shape[1], self.cuts)]
        return PlainPlayback(
            [block for block in blocks if block.size],
            SoundFacts(decoded.media, decoded.flags, self.spans, decoded.names),
        )


@dataclass
class PlainPlayback:
    """Blocks that lie in memory, and then the facts."""

    blocks: list[np.ndarray]
    outcome: SoundFacts

    def next(self) -> np.ndarray | None:
        return self.blocks.pop(0) if self.blocks else None

    def close(self) -> None:
        """There is nothing to end."""


def run_job(
    plans: JobPlans,
    options: JobOptions,
    content: bytes,
    folder: Spool,
    interrupt: Callable[[int], bool] = lambda _number: False,
) -> tuple[Result, int]:
    """The answer, and how many segments it took.

    Args:
        interrupt: whether everything in memory is lost before the segment of that number, counted over all parts.
    """
    handle = f"job{len(folder.handles())}"
    spool: JobSpool = folder.create_job(handle, KEY)
    if isinstance(options, AudioOptions) and options.voice is not None:
        store_profile(spool, options.voice)
        options = replace(options, voice=None)
    elif isinstance(options, VideoOptions) and options.resting is not None:
        store_profile(spool, options.resting)
        options = replace(options, resting=None)
    work = patient()
    done = 0
    for name in plans.parts(options):
        files = PartFiles(spool, name)
        part, number, last = None, 0, False
        while not last:
            if part is not None and interrupt(done):
                part.close()
                part = None
            if part is None:
                part = plans.make(name, options, spool, files.state(number), Bytes(content))
            segment = part.run(work)
            assert 0 <= segment.share <= 1
            files.store(number, segment.record, segment.state)
            number, done, last = number + 1, done + 1, segment.last
        part.close()
    return plans.join(options, spool), done
