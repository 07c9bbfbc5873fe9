"""Inputs by name: generated ones, and recordings of the shared material, cut and converted in memory."""

import functools
import io
import os
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from tests import media_files
from tests.answers import signals

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = Path(os.environ.get("EMOSERVE_SHARED", ROOT.parent / "shared"))
SPEECH = "corpora/emodb4/audio/03a01Wa.flac"
OTHER_SPEECH = "corpora/emodb4/audio/03a02Fc.flac"
READ_SPEECH = "corpora/librispeech/audio"
LONG_S = 75.0


@functools.cache
def content(name: str) -> bytes:
    """The bytes of an input.

    Raises:
        FileNotFoundError: it comes from the shared material, which is not there.
    """
    return _MAKERS[name]()


def is_generated(name: str) -> bool:
    """Whether the input needs no shared material."""
    return name in GENERATED


def file_name(name: str) -> str:
    """A name with a suffix, for files on a disk and for multipart uploads."""
    return f"{name}.{_SUFFIXES.get(name, 'wav')}"


def pcm(name: str) -> tuple[bytes, int, int]:
    """Samples of a WAV or FLAC input: 16 bit PCM, interleaved; its sample rate in Hz; its number of channels."""
    samples, rate_hz = _decoded(content(name))
    return media_files.pcm(samples), rate_hz, samples.shape[0]


def pictures(name: str, every: int, limit: int) -> list[tuple[float, bytes]]:
    """Every ``every``-th picture of a video as (time in s, JPEG), ``limit`` at most."""
    found = []
    with av.open(io.BytesIO(content(name))) as container:
        container.streams.video[0].thread_count = 1
        for index, frame in enumerate(container.decode(video=0)):
            if index % every == 0 and len(found) < limit:
                done, jpeg = cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, 92])
                assert done
                found.append((float(frame.time), jpeg.tobytes()))
    return found


def _shared(relative: str) -> bytes:
    return (SHARED / relative).read_bytes()


def _decoded(data: bytes, rate_hz: int | None = None) -> tuple[np.ndarray, int]:
    """Float32 [channels, samples] and the sample rate in Hz."""
    with av.open(io.BytesIO(data)) as container:
        rate_hz = rate_hz or container.streams.audio[0].rate
        resampler = av.AudioResampler("fltp", rate=rate_hz)
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1), rate_hz


def _speech(rate_hz: int = signals.RATE_HZ, name: str = SPEECH) -> np.ndarray:
    """A clip of speech, float32 [1, samples]."""
    return _decoded(_shared(name), rate_hz)[0]


def _longer_speech(rate_hz: int = signals.RATE_HZ) -> np.ndarray:
    """Four clips of one speaker and another, 8 s or so: float32 [1, samples]."""
    folder = SHARED / SPEECH
    names = sorted(path.name for path in folder.parent.iterdir())[:4]
    return np.concatenate([_speech(rate_hz, f"corpora/emodb4/audio/{name}") for name in names], axis=1)


def _long() -> np.ndarray:
    """Read speech of several speakers for :data:`LONG_S`, with 5 s of digital silence in it: float32 [1, samples]."""
    parts, length = [], 0
    for path in sorted((SHARED / READ_SPEECH).iterdir()):
        parts.append(_decoded(path.read_bytes(), signals.RATE_HZ)[0])
        if len(parts) == 2:
            parts.append(np.zeros((1, 5 * signals.RATE_HZ), np.float32))
        length = sum(part.shape[1] for part in parts)
        if length >= LONG_S * signals.RATE_HZ:
            break
    return np.concatenate(parts, axis=1)[:, : round(LONG_S * signals.RATE_HZ)]


def _stereo(rate_hz: int) -> np.ndarray:
    """Two speakers, one a channel: float32 [2, samples]."""
    left, right = _longer_speech(rate_hz)[0], _speech(rate_hz, OTHER_SPEECH)[0]
    return np.stack([left, np.resize(right, left.shape)])


def _cut(relative: str, end_s: float) -> bytes:
    """The first seconds of a video, its packets copied as they are."""
    target = io.BytesIO()
    with av.open(io.BytesIO(_shared(relative))) as source, av.open(target, "w", format="matroska") as output:
        streams = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and float(packet.dts * packet.time_base) < end_s:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)
    return target.getvalue()


GENERATED: dict[str, Callable[[], bytes]] = {
    "voice": lambda: signals.voice_wav(2.0),
    "voice_7s": lambda: signals.voice_wav(7.3),
    "voice_8k": lambda: signals.voice_wav(4.0, 8_000),
    "voice_48k_flac": lambda: signals.voice_flac(4.0, 48_000),
    "voice_44k_float": signals.float_wav,
    "voice_stereo": lambda: signals.voice_wav(5.0, channels=2),
    "voice_loud": signals.loud_wav,
    "voice_noisy_44k": lambda: signals.noisy_wav(4.0, 44_100),
    "voice_part_silent": signals.part_silent_wav,
    "silence": signals.silent_wav,
    "offset": signals.offset_wav,
    "noise": signals.noise_wav,
    "too_short": lambda: signals.voice_wav(0.05),
    "empty": lambda: b"",
    "no_media": lambda: b"This is no recording. " * 50,
    "faceless": signals.faceless_video,
    "silent_video": lambda: media_files.video(media_files.greys(25)),
    "table": signals.table,
    "table_faces": lambda: signals.table(faces=2),
    "table_still": lambda: signals.table(fault="still"),
    "table_short": lambda: signals.table(fault="short"),
}
"""Inputs that need no shared material."""

_MAKERS: dict[str, Callable[[], bytes]] = {
    **GENERATED,
    "speech": lambda: _shared(SPEECH),
    "speech_8s": lambda: media_files.wav(_longer_speech()),
    "speech_8k": lambda: media_files.wav(_longer_speech(8_000), 8_000),
    "speech_44k": lambda: media_files.wav(_longer_speech(44_100), 44_100),
    "speech_48k": lambda: media_files.wav(_longer_speech(48_000), 48_000),
    "speech_stereo": lambda: media_files.wav(_stereo(16_000)),
    "speech_stereo_48k": lambda: media_files.wav(_stereo(48_000), 48_000),
    "speech_m4a": lambda: media_files.m4a(_longer_speech(44_100)),
    "speech_mp3": lambda: media_files.mp3(_longer_speech(44_100)),
    "speech_ogg": lambda: media_files.ogg_opus(_longer_speech(48_000)),
    "speech_webm": lambda: media_files.webm(_longer_speech(48_000)),
    "opus_file": lambda: _shared("corpora/ravdess/audio/03-01-01-01-01-01-01.opus"),
    "long_speech": lambda: media_files.wav(_long()),
    "face": lambda: _shared("media/single_face.mp4"),
    "talking": lambda: _cut("media/talking_real.mp4", 5.0),
    "face_comes": lambda: _shared("media/noface_face.mov"),
    "no_face": lambda: _cut("media/no_face.mp4", 1.5),
    "openface": lambda: _shared("media/OpenFace_Test.csv"),
    "openface_talking": lambda: _shared("media/talking_real.csv"),
}

_SUFFIXES = {
    "voice_48k_flac": "flac",
    "speech": "flac",
    "faceless": "mp4",
    "silent_video": "mp4",
    "speech_m4a": "m4a",
    "speech_mp3": "mp3",
    "speech_ogg": "ogg",
    "speech_webm": "webm",
    "opus_file": "opus",
    "face": "mp4",
    "talking": "mkv",
    "face_comes": "mov",
    "no_face": "mkv",
    "no_media": "bin",
} | {name: "csv" for name in _MAKERS if name.startswith(("table", "openface"))}
