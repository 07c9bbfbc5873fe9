"""A decoder process: it confines itself, then runs one job after another.

A decoder that a hostile file takes over has its own memory, one connection to the service, and the CPU until the
service ends it.
"""

import io
import socket
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, BinaryIO, Final

import numpy as np

from service.pipeline.decoding import sandbox
from service.pipeline.decoding.confinement import confine, renew_cpu_limit
from service.pipeline.decoding.protocol import BEGUN, OUTGROWN, Channel
from service.pipeline.decoding.remote_file import open_remote
from service.pipeline.media.sampling import AudioJob, OutgrownError
from service.pipeline.media.video_frames import Picture, VideoJob
from service.pipeline.results import FloatArray
from service.problems import MediaInvalid, Problem

Reply = Callable[[dict[str, object], bytes | memoryview], None]
JobKind = Callable[[BinaryIO, dict[str, Any], Reply], dict[str, object]]


def serve(connection: socket.socket, memory_bytes: int) -> None:
    """Run jobs until the service closes the connection."""
    channel = Channel(connection)
    confinement = confine(memory_bytes)
    channel.send({"type": "ready", "confinement": asdict(confinement)})
    while True:
        try:
            header = channel.receive_header()
        except EOFError:
            return
        upload = _upload(channel, header)
        renew_cpu_limit(float(header["cpu_s"]))
        channel.send({"type": BEGUN})
        channel.send(_answer(header, upload, channel.send))


def _upload(channel: Channel, header: dict[str, Any]) -> BinaryIO:
    """The job's file: in memory, or read piece by piece from the service."""
    if "remote_bytes" in header:
        return open_remote(channel, int(header["remote_bytes"]))
    return _receive(channel, int(header["bytes"]))


def _receive(channel: Channel, size: int) -> io.BytesIO:
    """Receive the upload into a BytesIO without a second copy of it."""
    upload = io.BytesIO()
    if size:
        upload.seek(size - 1)
        upload.write(b"\0")
        with upload.getbuffer() as view:
            channel.receive_into(view)
        upload.seek(0)
    return upload


def _answer(header: dict[str, Any], upload: BinaryIO, reply: Reply) -> dict[str, object]:
    """Run one job; every error in it is an error of the file."""
    try:
        result = JOB_KINDS[header["kind"]](upload, header["arguments"], reply)
        return {"type": "done", **result}
    except Problem as problem:
        return {"type": "problem", "code": problem.code, "detail": problem.detail, "pointer": problem.pointer}
    except OutgrownError as outgrown:
        return {"type": OUTGROWN, "claimed_s": outgrown.claimed_s}
    except MemoryError:
        detail = "The recording needs more memory than its decoder may have."
        return {"type": "problem", "code": MediaInvalid.code, "detail": detail, "retire": True}
    except Exception:
        # FFmpeg raises a dozen classes of errors, and some that are not its own (UnicodeDecodeError).
        return {"type": "problem", "code": MediaInvalid.code, "detail": MediaInvalid.title}


def _audio(upload: BinaryIO, arguments: dict[str, Any], reply: Reply) -> dict[str, object]:
    """Kind 'audio': sends blocks of float32 [channels, samples], then the facts of the recording."""

    def emit(block: FloatArray) -> None:
        channels, samples = block.shape
        header: dict[str, object] = {"type": "samples", "channels": channels, "samples": samples}
        reply(header, block.reshape(-1).view(np.uint8).data)

    return sandbox.decode_audio(upload, AudioJob(**arguments), emit)


def _video(upload: BinaryIO, arguments: dict[str, Any], reply: Reply) -> dict[str, object]:
    """Kind 'video': sends uint8 [height, width, 3] for each frame, then the facts of the video.

    A reply blocks until the service has taken it, so at most one frame waits here.
    """
    return sandbox.decode_video(upload, VideoJob(**arguments), _frame_sender(reply))


def _pictures(upload: BinaryIO, arguments: dict[str, Any], reply: Reply) -> dict[str, object]:
    """Kind 'pictures': decodes JPEG pictures, with the replies of a video."""
    return sandbox.decode_pictures(upload, emit=_frame_sender(reply), **arguments)


def _frame_sender(reply: Reply) -> sandbox.EmitFrame:
    def emit(time_s: float, picture: Picture, share: float) -> None:
        height, width, _ = picture.shape
        header: dict[str, object] = {
            "type": "frame",
            "time_s": time_s,
            "width": width,
            "height": height,
            "share": share,
        }
        reply(header, picture.reshape(-1).data)

    return emit


JOB_KINDS: Final[dict[str, JobKind]] = {"audio": _audio, "video": _video, "pictures": _pictures}
"""Kinds of jobs. Arguments are JSON, replies a header and bytes."""


def warm_up() -> None:
    """Decode a good and two bad files, so that Python and FFmpeg load all that they load late.

    Raises:
        RuntimeError: the good file cannot be decoded, so the installation is broken.
    """
    sandbox.silence_logs()
    samples = np.zeros(4410, "<i2").tobytes()
    form = b"\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0"
    good = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + form + b"data\xff\xff\xff\xff" + samples
    emitted: list[FloatArray] = []
    sandbox.decode_any(io.BytesIO(good), _warm_up_job(), emitted.append)
    if sum(block.shape[1] for block in emitted) != 1600:
        raise RuntimeError("the decoder does not decode")
    sandbox.warm_up_video()
    header = {"kind": "audio", "arguments": {}}
    _answer(header, io.BytesIO(), lambda *_: None)
    for bad in (good[:20], b"junk" * 64):
        try:
            sandbox.decode_any(io.BytesIO(bad), _warm_up_job(), emitted.append)
        except Exception:
            continue


def _warm_up_job() -> AudioJob:
    return AudioJob(
        container="wav",
        demuxer="wav",
        audio_codecs=("pcm_s16le",),
        target_rate_hz=16_000,
        start_s=None,
        end_s=None,
        min_duration_s=0.0,
        max_duration_s=60.0,
        max_channels=1,
        min_sample_rate_hz=1,
        max_sample_rate_hz=192_000,
        max_sample_magnitude=64.0,
        max_streams=1,
    )
