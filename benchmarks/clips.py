"""Recordings to measure with: a synthetic voice as PCM wav, of the lengths that a service gets, and the worst."""

import functools
import io
import struct
import wave

import numpy as np

from export.evaluation.voice import synthetic_voice

SAMPLE_RATE_HZ = 16_000
MIX_S = (3.0, 3.0, 10.0, 3.0, 3.0)
"""Durations in turn: short utterances with a longer one among them."""


def wav_bytes(duration_s: float, seed: int) -> bytes:
    """A mono 16-bit wav file."""
    samples = np.rint(synthetic_voice(duration_s, SAMPLE_RATE_HZ, seed) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()


def mixed_clips() -> list[tuple[float, bytes]]:
    """(duration_s, file) of one round of :data:`MIX_S`."""
    return [(duration_s, wav_bytes(duration_s, seed)) for seed, duration_s in enumerate(MIX_S)]


def flac_of_one_value(seconds: float, rate_hz: int, channels: int, block: int = 65_535) -> bytes:
    """A FLAC file whose every block is a constant: kilobytes that decode to gigabytes."""
    blocks = int(seconds * rate_hz / block)
    total = (rate_hz << 44) | ((channels - 1) << 41) | (15 << 36) | blocks * block
    stream_info = struct.pack(">HH", block, block) + bytes(6) + total.to_bytes(8, "big") + bytes(16)
    body = b"\0\0\1" * channels
    frames = []
    for number in range(blocks):
        head = b"\xff\xf8\x70" + bytes([(channels - 1) << 4 | 4 << 1]) + _utf8_number(number)
        head += struct.pack(">H", block - 1)
        head += bytes([_crc(head, 0x07, 8)])
        frames.append(head + body + struct.pack(">H", _crc(head + body, 0x8005, 16)))
    return b"fLaC\x80\0\0\x22" + stream_info + b"".join(frames)


def _utf8_number(number: int) -> bytes:
    if number < 0xD800:
        return chr(number).encode()
    return bytes([0xF0 | number >> 18, *(0x80 | number >> shift & 63 for shift in (12, 6, 0))])


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    crc, table = 0, _crc_table(polynomial, bits)
    for byte in data:
        crc = (crc << 8 & (1 << bits) - 1) ^ table[crc >> (bits - 8) ^ byte]
    return crc


@functools.cache
def _crc_table(polynomial: int, bits: int) -> list[int]:
    table = []
    for byte in range(256):
        crc = byte << (bits - 8)
        for _ in range(8):
            crc = (crc << 1 ^ (polynomial if crc >> (bits - 1) else 0)) & (1 << bits) - 1
        table.append(crc)
    return table
