"""Recordings of hours, written to files a piece at a time: none is ever in memory."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.clips import SAMPLE_RATE_HZ
from export.evaluation.voice import synthetic_voice

VOICE_S = 60.0


@dataclass(frozen=True)
class _Packet:
    """A packet of a clip, and when it begins and ends, in seconds of the clip."""

    content: bytes
    shown_s: float
    decoded_s: float
    duration_s: float
    is_keyframe: bool


def write_long_video(path: Path, movie: Path, duration_s: float, frame_rate_hz: float) -> None:
    """Write the packets of ``movie`` again and again as mp4, without encoding anew.

    Args:
        path: of the file.
        movie: a short clip; of its sound as much as lasts as long as its pictures.
        duration_s: about how long the video will be.
        frame_rate_hz: at which its frames are shown: slower or faster than they were taken.
    """
    with av.open(str(movie)) as source, av.open(str(path), "w", format="mp4") as target:
        pictures, sound = source.streams.video[0], source.streams.audio[0]
        assert pictures.average_rate is not None
        tracks = [
            (
                target.add_stream_from_template(pictures),
                _packets(movie, "video", float(pictures.average_rate) / frame_rate_hz),
            ),
            (target.add_stream_from_template(sound), _packets(movie, "audio", 1.0)),
        ]
        queues = [(copy, _repeated(packets, duration_s)) for copy, packets in tracks]
        heads: list[_Packet | None] = [next(queue) for _, queue in queues]
        while left := [(head.decoded_s, number) for number, head in enumerate(heads) if head]:
            _, number = min(left)
            (copy, queue), head = queues[number], heads[number]
            assert head is not None
            target.mux(_muxable(head, copy))
            heads[number] = next(queue, None)


def write_long_wav(path: Path, duration_s: float) -> None:
    """Write a synthetic voice as 16 kHz mono wav, a minute again and again."""
    samples = np.rint(synthetic_voice(VOICE_S, SAMPLE_RATE_HZ, 440) * 32767).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        for _ in range(round(duration_s / VOICE_S)):
            file.writeframes(samples)


def _packets(movie: Path, kind: str, stretch: float) -> list[_Packet]:
    """All packets of one track, their times ``stretch`` times as long."""
    with av.open(str(movie)) as source:
        stream = source.streams.video[0] if kind == "video" else source.streams.audio[0]
        assert stream.time_base is not None
        unit_s = float(stream.time_base) * stretch
        return [
            _Packet(
                bytes(one), (one.pts or 0) * unit_s, one.dts * unit_s, (one.duration or 0) * unit_s, one.is_keyframe
            )
            for one in source.demux(stream)
            if one.dts is not None
        ]


def _repeated(packets: list[_Packet], duration_s: float) -> Iterator[_Packet]:
    """The packets again and again, each turn behind the one before."""
    length_s = sum(packet.duration_s for packet in packets)
    for turn in range(max(1, round(duration_s / length_s))):
        offset_s = turn * length_s
        for one in packets:
            yield _Packet(
                one.content, one.shown_s + offset_s, one.decoded_s + offset_s, one.duration_s, one.is_keyframe
            )


def _muxable(packet: _Packet, stream: av.stream.Stream) -> av.Packet[Any]:
    assert stream.time_base is not None
    unit_s = float(stream.time_base)
    made = av.Packet(packet.content)
    made.pts, made.dts = round(packet.shown_s / unit_s), round(packet.decoded_s / unit_s)
    made.duration, made.is_keyframe = round(packet.duration_s / unit_s), packet.is_keyframe
    made.stream, made.time_base = stream, stream.time_base
    return made
