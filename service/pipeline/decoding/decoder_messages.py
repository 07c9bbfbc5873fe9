"""Messages of decoder processes, read with care: the last of a job, and the announcement of samples."""

import math
from typing import Any

from service.pipeline.results import FlagSpan, MediaInfo, Track


def announced_samples(message: dict[str, Any], max_channels: int, max_samples: int) -> tuple[int, int]:
    """Channels and samples of the payload that follows a 'samples' message.

    Raises:
        ValueError: the message makes no sense, so whoever sent it has to be ended.
    """
    channels, samples = message.get("channels"), message.get("samples")
    if message.get("type") != "samples" or type(channels) is not int or type(samples) is not int:
        raise ValueError("samples that cannot be")
    if not (0 < channels <= max_channels and 0 < samples <= max_samples):
        raise ValueError("samples that cannot be")
    return channels, samples


def claimed_length_of(message: dict[str, Any]) -> float:
    """Seconds that the header of an outgrown job's file claims; 0 if that is not known."""
    claimed_s = message.get("claimed_s")
    return claimed_s if isinstance(claimed_s, float) and 0.0 < claimed_s < math.inf else 0.0


def sound_media(facts: dict[str, Any], container: str) -> MediaInfo:
    """Facts about a sound track, from the last message."""
    return MediaInfo(
        duration_s=float(facts["duration_s"]),
        container=container,
        codec=str(facts["codec"]),
        sample_rate_hz=int(facts["sample_rate_hz"]),
        channels=int(facts["channels"]),
        tracks=_tracks(facts),
    )


def picture_media(facts: dict[str, Any], container: str) -> MediaInfo:
    """Facts about the pictures, from the last message."""
    return MediaInfo(
        duration_s=float(facts["duration_s"]),
        container=container,
        codec=str(facts["codec"]),
        frame_rate_hz=float(facts["frame_rate_hz"]),
        width=int(facts["width"]),
        height=int(facts["height"]),
        tracks=_tracks(facts),
    )


def flags_of(facts: dict[str, Any]) -> tuple[str, ...]:
    """Remarks of the last message on the recording, such as 'clipped'."""
    return tuple(str(flag) for flag in facts["flags"])


def spans_of(facts: dict[str, Any]) -> tuple[FlagSpan, ...]:
    """When those remarks hold."""
    spans = (FlagSpan(str(flag), float(begin), float(end)) for flag, begin, end in facts.get("spans", ()))
    return tuple(span for span in spans if math.isfinite(span.start_s) and math.isfinite(span.end_s))


def file_end_of(facts: dict[str, Any]) -> float:
    """End of the last track of a video, in seconds."""
    return float(facts["file_end_s"])


def _tracks(facts: dict[str, Any]) -> tuple[Track, ...]:
    found = facts.get("tracks")
    if found is None:  # a WAV file, which has one
        return (Track(0, "sound", str(facts["codec"]), used=True, start_s=0.0, end_s=float(facts["duration_s"])),)
    return tuple(Track(**track) for track in found)
