"""Good, odd and hostile media files, built as bytes."""

import io
import struct
from fractions import Fraction

import av
import numpy as np

from benchmarks.clips import flac_of_one_value as flac_of_one_value

WAV_TYPES = {
    "pcm_u8": (1, 8),
    "pcm_s16le": (1, 16),
    "pcm_s24le": (1, 24),
    "pcm_s32le": (1, 32),
    "pcm_f32le": (3, 32),
    "pcm_f64le": (3, 64),
}


def tone(duration_s=1.0, rate_hz=16_000, channels=1, amplitude=0.5):
    """Sines of 220 Hz, 330 Hz, … float32 [channels, samples]."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    frequencies_hz = 220.0 + 110.0 * np.arange(channels)[:, None]
    return (amplitude * np.sin(2 * np.pi * frequencies_hz * time_s)).astype(np.float32)


def pcm(samples, codec="pcm_s16le"):
    """Interleave float [channels, samples] as PCM bytes."""
    frames = np.ascontiguousarray(np.asarray(samples).T)
    if codec == "pcm_f32le":
        return frames.astype("<f4").tobytes()
    if codec == "pcm_f64le":
        return frames.astype("<f8").tobytes()
    if codec == "pcm_u8":
        return np.clip(np.round(frames * 128 + 128), 0, 255).astype("u1").tobytes()
    bits = WAV_TYPES[codec][1]
    full = 2 ** (bits - 1)
    whole = np.clip(np.round(frames.astype("f8") * full), -full, full - 1).astype("<i4")
    if codec == "pcm_s16le":
        return whole.astype("<i2").tobytes()
    if codec == "pcm_s24le":
        return np.ascontiguousarray(whole).view("u1").reshape(-1, 4)[:, :3].tobytes()
    return whole.tobytes()


def chunk(name, content):
    """One RIFF chunk with its padding."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) & 1)


def wav_of(
    payload, rate_hz=16_000, channels=1, tag=1, bits=16, claimed_bytes=None, before=b"", after=b"", extensible=False
):
    """A WAV file whose header says exactly what it is told to."""
    block = channels * bits // 8 & 0xFFFF
    outer = 0xFFFE if extensible else tag
    form = struct.pack("<HHIIHH", outer, channels & 0xFFFF, rate_hz, rate_hz * block & 0xFFFFFFFF, block, bits)
    if extensible:
        tail = bytes.fromhex("000000001000800000aa00389b71")
        form += struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", tag) + tail
    size = len(payload) if claimed_bytes is None else claimed_bytes
    body = b"WAVE" + chunk(b"fmt ", form) + before + b"data" + struct.pack("<I", size) + payload + after
    return b"RIFF" + struct.pack("<I", len(body) & 0xFFFFFFFF) + body


def wav(samples, rate_hz=16_000, codec="pcm_s16le", **options):
    """A WAV file of float [channels, samples]."""
    samples = np.atleast_2d(samples)
    tag, bits = WAV_TYPES[codec]
    return wav_of(pcm(samples, codec), rate_hz, samples.shape[0], tag, bits, **options)


def encode(container, codec, samples, rate_hz=48_000, metadata=None, tracks=1):
    """Encode float32 [channels, samples] into a container, the same sound in every track."""
    samples = np.atleast_2d(samples)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[samples.shape[0]]
    target = io.BytesIO()
    options = {"strict": "experimental"} | ({"b": "96000"} if codec.startswith("wma") else {})  # it has no default
    with av.open(target, "w", format=container) as output:
        output.metadata.update(metadata or {})
        streams = [output.add_stream(codec, rate=rate_hz, layout=layout, options=options) for _ in range(tracks)]
        for stream in streams:
            sample_format = stream.codec_context.codec.audio_formats[0].name
            resampler = av.AudioResampler(sample_format, layout, rate_hz, stream.codec_context.frame_size or None)
            for packed in _frames(samples, layout, rate_hz):
                for frame in resampler.resample(packed):
                    output.mux(stream.encode(frame))
            for frame in resampler.resample(None):
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return target.getvalue()


def _frames(samples, layout, rate_hz, step=8192):
    for first in range(0, samples.shape[1], step):
        block = np.ascontiguousarray(samples[:, first : first + step], np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        frame.pts = first
        frame.time_base = Fraction(1, rate_hz)
        yield frame


def _maker(container, codec, usual_hz):
    """A function that encodes samples, at ``usual_hz`` unless it is told another rate."""

    def make(samples, rate_hz=usual_hz, **options):
        return encode(container, codec, samples, rate_hz, **options)

    make.__name__ = container
    return make


flac = _maker("flac", "flac", 16_000)
ogg_opus = _maker("ogg", "libopus", 48_000)
ogg_vorbis = _maker("ogg", "vorbis", 44_100)
mp3 = _maker("mp3", "libmp3lame", 44_100)
m4a = _maker("mp4", "aac", 44_100)
mov = _maker("mov", "aac", 44_100)
webm = _maker("webm", "libopus", 48_000)


def video_only_mp4(frames=5, size=64):
    """Black pictures without sound."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        for _ in range(frames):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((size, size, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    return target.getvalue()


def video(pictures, container="mp4", codec="mpeg4", rate=25, times=None, sound=None, pixel_format="yuv420p", **options):
    """Encode uint8 [height, width, 3] pictures, at the given times in ms if any, with float32 [1 or 2, n] at 48 kHz."""
    target = io.BytesIO()
    with av.open(target, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.codec_context.thread_count = 1
        speech = None
        layout = "stereo" if sound is not None and len(sound) == 2 else "mono"
        if sound is not None:
            speech = output.add_stream("libopus" if container == "webm" else "aac", rate=48_000, layout=layout)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if speech is not None:
            resampler = av.AudioResampler(speech.codec_context.format.name, layout, 48_000, speech.frame_size or None)
            for packed in [*_frames(sound, layout, 48_000), None]:
                for frame in resampler.resample(packed):
                    output.mux(speech.encode(frame))
            output.mux(speech.encode(None))
    return target.getvalue()


def changing_size(first, second):
    """A WebM file of VP8 whose pictures change their size on the way: uint8 [height, width, 3] in two lists."""
    target = io.BytesIO()
    with av.open(target, "w", format="webm") as output:
        stream = output.add_stream("libvpx", rate=25)
        stream.height, stream.width = first[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        output.start_encoding()
        shown = 0
        for pictures in (first, second):
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.height, encoder.width = pictures[0].shape[:2]
            encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, 25), 1
            frames = [av.VideoFrame.from_ndarray(picture, format="rgb24") for picture in pictures]
            for index, frame in enumerate(frames):
                frame.pts, frame.time_base = index, Fraction(1, 25)
            for packet in [packet for frame in [*frames, None] for packet in encoder.encode(frame)]:
                packet.pts, packet.dts = packet.pts + shown, packet.pts + shown
                packet.time_base, packet.stream = Fraction(1, 25), stream
                output.mux_one(packet)
            shown += len(pictures)
    return target.getvalue()


def greys(count, width=64, height=48):
    """Pictures that brighten from frame to frame, left half dark."""
    pictures = []
    for index in range(count):
        picture = np.full((height, width, 3), 40 + 150 * index // max(count - 1, 1), np.uint8)
        picture[:, : width // 2] = 10
        pictures.append(picture)
    return pictures


def rotated_90(movie):
    """Set the display matrix of the first track of an MP4 file: to be shown a quarter turn clockwise."""
    data = bytearray(movie)
    at = data.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    data[at : at + 36] = matrix
    return bytes(data)


def flac_silence(duration_s, rate_hz=8_000):
    """A decompression bomb: an hour in a few hundred kilobytes."""
    return flac(np.zeros((1, round(duration_s * rate_hz)), np.float32), rate_hz)


def claiming_duration(movie, duration_s):
    """Rewrite the durations in mvhd, tkhd and mdhd (version 0) of an MP4 file."""
    data = bytearray(movie)
    timescale_at = {b"mvhd": 16, b"mdhd": 16}
    movie_scale = struct.unpack_from(">I", data, data.index(b"mvhd") + timescale_at[b"mvhd"])[0]
    media_scale = struct.unpack_from(">I", data, data.index(b"mdhd") + timescale_at[b"mdhd"])[0]
    for kind, offset, scale in ((b"mvhd", 20, movie_scale), (b"tkhd", 24, movie_scale), (b"mdhd", 20, media_scale)):
        at = data.index(kind)
        struct.pack_into(">I", data, at + offset, min(int(duration_s * scale), 0xFFFFFFFE))
    return bytes(data)


def without_timescale(movie, box):
    """Set the ticks a second of an MP4 file (``mvhd``) or its first track (``mdhd``) to 0."""
    data = bytearray(movie)
    at = data.index(box) + 16
    data[at : at + 4] = bytes(4)
    return bytes(data)


def with_copied_tracks(movie, count):
    """An MP4 file whose index is last, with its only track ``count`` times."""
    index_at, track_at = movie.index(b"moov") - 4, movie.index(b"trak") - 4
    (track_bytes,) = struct.unpack_from(">I", movie, track_at)
    index = movie[index_at + 8 : track_at] + movie[track_at : track_at + track_bytes] * count
    index += movie[track_at + track_bytes :]
    return movie[:index_at] + struct.pack(">I", len(index) + 8) + b"moov" + index


def rf64(samples):
    """A WAV file in the form for more than 4 GiB (EBU Tech 3306)."""
    plain = wav(samples)
    sizes = struct.pack("<QQQI", len(plain) + 28, 2 * np.size(samples), np.size(samples), 0)
    return b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", sizes) + plain[12:]


def w64(samples):
    """A file in Sony's 64 bit form of WAV."""
    identity = bytes.fromhex("2e91cf11a5d628db04c10000")
    body = wav(samples)[12:]
    return b"riff" + identity + struct.pack("<Q", len(body) + 40) + b"wave" + identity + body


def with_external_reference(movie):
    """Clear the flag by which an MP4 file's data reference says 'this file'."""
    data = bytearray(movie)
    at = data.index(b"url ", data.index(b"dref"))
    data[at + 4 : at + 8] = b"\0\0\0\0"
    return bytes(data)


def flipped(data, seed, flips=8, first=12):
    """Change some bytes at random, keeping the magic number."""
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    for at in rng.integers(first, len(data), flips):
        changed[at] = rng.integers(0, 256)
    return bytes(changed)


SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio %d RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


def playlist(address):
    """An HLS playlist that points to ``address``."""
    return b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n" + address + b"\n#EXT-X-ENDLIST\n"


def concat_script(name):
    """An ffconcat script that points to ``name``."""
    return b"ffconcat version 1.0\nfile '" + name + b"'\n"


EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The harmless text that virus scanners report (eicar.org), in two pieces so that they leave this file alone."""

FOREIGN_BEGINNINGS = {
    "ZIP": b"PK\x03\x04" + bytes(26),
    "HTML": b"<html><script>alert(1)</script>",
    "EXE": b"MZ" + bytes(62) + b"PE\0\0",
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(17),
    "PDF": b"%PDF-1.7\n",
    "GIF": b"GIF89a" + bytes(7),
    "shell": b"#!/bin/sh\n",
}
"""Signatures of other formats, put in front of a WAV file."""

LINKING_TEXTS = {
    "DASH": b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>file:///etc/</BaseURL></MPD>",
    "IMF": b"<?xml version='1.0'?><CompositionPlaylist xmlns='http://www.smpte-ra.org/schemas/2067-3/2016'/>",
    "SVG": b"<svg xmlns:xlink='http://www.w3.org/1999/xlink'><image xlink:href='file:///etc/passwd'/></svg>",
    "entity": b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><MPD>&b;</MPD>",
    "picture pattern": b"/tmp/picture-%05d.png\n",
}
"""Texts that some demuxer follows to other files."""


def amr(frames, seed=0):
    """AMR at 12.2 kbit/s, 20 ms a frame, of drawn bits."""
    bits = np.random.default_rng(seed).integers(0, 256, (frames, 31), np.uint8).tobytes()
    return b"#!AMR\n" + b"".join(b"\x3c" + bits[31 * index : 31 * index + 31] for index in range(frames))


def gsm_wav(blocks, seed=0):
    """GSM 06.10 in WAV (format 0x31), 320 samples in 65 bytes, of drawn bits."""
    payload = np.random.default_rng(seed).integers(0, 256, 65 * blocks, np.uint8).tobytes()
    form = struct.pack("<HHIIHHHH", 0x31, 1, 8_000, 1_625, 65, 0, 2, 320)
    body = b"WAVE" + chunk(b"fmt ", form) + chunk(b"fact", struct.pack("<I", 320 * blocks)) + chunk(b"data", payload)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def id3(size):
    """An ID3v2.3 tag with a title and ``size`` bytes of padding."""
    body = b"TIT2\0\0\0\x05\0\0\0test" + bytes(size)
    length = len(body)
    return b"ID3\3\0\0" + bytes([length >> shift & 127 for shift in (21, 14, 7, 0)]) + body
