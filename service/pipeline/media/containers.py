"""Permitted media formats: the demuxer of each container, and the codecs that it may hold. Names are FFmpeg's.

Nothing outside these tables is ever opened.
"""

from __future__ import annotations

from typing import Final

PCM_IN_WAV: Final[dict[tuple[int, int], str]] = {
    # (format tag, bits a sample): codec. Tags: 1 integer, 3 IEEE float, 6 A-law, 7 µ-law (RFC 2361).
    (1, 8): "pcm_u8",
    (1, 16): "pcm_s16le",
    (1, 24): "pcm_s24le",
    (1, 32): "pcm_s32le",
    (3, 32): "pcm_f32le",
    (3, 64): "pcm_f64le",
    (6, 8): "pcm_alaw",
    (7, 8): "pcm_mulaw",
}

_PCM: Final = frozenset(PCM_IN_WAV.values())
_PCM_BIG_ENDIAN: Final = frozenset({"pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be"})

AUDIO_CODECS: Final[dict[str, frozenset[str]]] = {
    "wav": _PCM,
    "flac": frozenset({"flac"}),
    "ogg": frozenset({"opus", "vorbis", "flac"}),
    "mp3": frozenset({"mp3"}),
    "mp4": frozenset({"aac", "alac", "mp3", "opus", "flac"}) | _PCM | _PCM_BIG_ENDIAN,
    "webm": frozenset({"opus", "vorbis", "flac", "aac", "mp3"}) | _PCM,
}
"""Audio codecs (canonical names) permitted in each container."""

VIDEO_CODECS: Final[dict[str, frozenset[str]]] = {
    "mp4": frozenset({"h264", "hevc", "mpeg4", "vp9", "av1", "mjpeg"}),
    "webm": frozenset({"vp8", "vp9", "av1", "h264", "hevc", "mpeg4", "mjpeg"}),
}
"""Video codecs (canonical names) permitted in each container; containers not listed hold none."""

DEMUXERS: Final[dict[str, str]] = {
    "wav": "wav",
    "flac": "flac",
    "ogg": "ogg",
    "mp3": "mp3",
    "mp4": "mov",
    "webm": "matroska",
}
"""The one demuxer of each container; no other is tried."""

DEMUXER_NAMES: Final[dict[str, str]] = {"mov": "mov,mp4,m4a,3gp,3g2,mj2", "matroska": "matroska,webm"}
"""FFmpeg's list of names for a demuxer that has several."""
