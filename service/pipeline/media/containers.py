"""The media formats that are let in: which demuxer reads each, and which codecs it may hold.

Nothing outside these tables is ever opened. The names are FFmpeg's.

Every demuxer was looked at for ways out of its file. None of those below opens another file or address: MOV's data
references are refused before it runs and again by ``io_open``; AVI hands subtitles inside to a second demuxer, which
the format whitelist refuses; the others have none. Left out because they open files by name: ``hls``, ``dash``,
``concat``, ``imf``, ``sdp``, ``rtsp``, ``mxf``, ``lavfi``, ``image2`` and every playlist. Left out because no upload
needs them: ``rf64``, ``w64``, RIFX, and hundreds of formats of games and old systems.
"""

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

BLOCKS_IN_WAV: Final[dict[int, str]] = {
    # Format tag: codec that comes in blocks (RFC 2361).
    0x0002: "adpcm_ms",
    0x0011: "adpcm_ima_wav",
    0x0031: "gsm_ms",
    0x0040: "adpcm_g726",
    0x0045: "adpcm_g726",
    0x0065: "adpcm_g722",
    0x028F: "adpcm_g722",
}

WAV_CODECS: Final = (*PCM_IN_WAV.values(), *dict.fromkeys(BLOCKS_IN_WAV.values()))

_PCM: Final = frozenset(PCM_IN_WAV.values())
_PCM_BIG_ENDIAN: Final = frozenset({"pcm_s8", "pcm_s16be", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be"})
_MPEG: Final = frozenset({"mp2", "mp3"})

AUDIO_CODECS: Final[dict[str, frozenset[str]]] = {
    "wav": frozenset(WAV_CODECS),
    "flac": frozenset({"flac"}),
    "ogg": frozenset({"opus", "vorbis", "flac", "speex"}),
    "mp3": _MPEG,
    "mp4": frozenset({"aac", "alac", "mp3", "opus", "flac", "amr_nb", "amr_wb"}) | _PCM | _PCM_BIG_ENDIAN,
    "webm": frozenset({"opus", "vorbis", "flac", "aac", "alac", "ac3"}) | _MPEG | _PCM | _PCM_BIG_ENDIAN,
    "aac": frozenset({"aac"}),
    "aiff": _PCM | _PCM_BIG_ENDIAN,
    "au": _PCM | _PCM_BIG_ENDIAN,
    "caf": frozenset({"aac", "alac", "opus"}) | _PCM | _PCM_BIG_ENDIAN,
    "asf": frozenset({"wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice"}),
    "amr": frozenset({"amr_nb", "amr_wb"}),
    "mpegts": frozenset({"aac", "ac3"}) | _MPEG,
    "avi": frozenset({"ac3", "adpcm_ms", "adpcm_ima_wav"}) | _MPEG | _PCM,  # AAC has no true time stamps there
    "flv": frozenset({"aac", "mp3", "speex"}) | _PCM,
}
"""Audio codecs (canonical names) permitted in each container."""

VIDEO_CODECS: Final[dict[str, frozenset[str]]] = {
    "mp4": frozenset({"h264", "hevc", "mpeg4", "vp9", "av1", "mjpeg"}),
    "webm": frozenset({"vp8", "vp9", "av1", "h264", "hevc", "mpeg4", "mjpeg"}),
    "mpegts": frozenset({"h264", "hevc", "mpeg4"}),
    "avi": frozenset({"h264", "mpeg4", "mjpeg"}),
    "flv": frozenset({"h264"}),
}
"""Video codecs (canonical names) permitted in each container; containers not listed hold none."""

LOSSLESS_CODECS: Final = _PCM | _PCM_BIG_ENDIAN | {"flac", "alac", "wmalossless"}
"""Codecs whose samples are those of the recording."""

DEMUXERS: Final[dict[str, str]] = {
    "wav": "wav",
    "flac": "flac",
    "ogg": "ogg",
    "mp3": "mp3",
    "mp4": "mov",
    "webm": "matroska",
    "aac": "aac",
    "aiff": "aiff",
    "au": "au",
    "caf": "caf",
    "asf": "asf",
    "amr": "amr",
    "mpegts": "mpegts",
    "avi": "avi",
    "flv": "flv",
}
"""The one demuxer of each container; no other is tried."""

DEMUXER_NAMES: Final[dict[str, str]] = {"mov": "mov,mp4,m4a,3gp,3g2,mj2", "matroska": "matroska,webm"}
"""Demuxer → the names under which FFmpeg lists it, where they are several."""

CLAIM_LENGTH: Final = frozenset({"flac", "webm", "aiff", "au", "caf", "asf"})
"""Containers whose header says how long the recording is, where it was written to its end."""

TITLES: Final[dict[str, str]] = {
    "wav": "WAV",
    "flac": "FLAC",
    "ogg": "Ogg",
    "mp3": "MP3",
    "mp4": "MP4/MOV",
    "webm": "WebM/Matroska",
    "aac": "AAC (ADTS)",
    "aiff": "AIFF",
    "au": "AU",
    "caf": "CAF",
    "asf": "WMA (ASF)",
    "amr": "AMR",
    "mpegts": "MPEG-TS",
    "avi": "AVI",
    "flv": "FLV",
}
"""Names of the containers for clients."""
