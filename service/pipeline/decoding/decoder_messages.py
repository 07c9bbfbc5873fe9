"""What decoder processes say, read with care: the last message of a job, and the announcement of samples."""

from __future__ import annotations

from typing import Any

from service.pipeline.results import MediaInfo


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


def sound_media(facts: dict[str, Any], container: str) -> MediaInfo:
    """What the last message tells of a sound track."""
    return MediaInfo(
        duration_s=float(facts["duration_s"]),
        container=container,
        codec=str(facts["codec"]),
        sample_rate_hz=int(facts["sample_rate_hz"]),
        channels=int(facts["channels"]),
    )


def picture_media(facts: dict[str, Any], container: str) -> MediaInfo:
    """What the last message tells of the pictures."""
    return MediaInfo(
        duration_s=float(facts["duration_s"]),
        container=container,
        codec=str(facts["codec"]),
        frame_rate_hz=float(facts["frame_rate_hz"]),
        width=int(facts["width"]),
        height=int(facts["height"]),
    )


def flags_of(facts: dict[str, Any]) -> tuple[str, ...]:
    """Remarks of the last message on the recording, such as 'clipped'."""
    return tuple(str(flag) for flag in facts["flags"])
