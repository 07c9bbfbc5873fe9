"""Flags of a recording: clipping, ends that are missing, data left out, mixes that cancel. Drawn files."""

import random

import numpy as np
import pytest

from tests import media_files as files
from tests.support.presented_files import presented

RATE_HZ = 16_000


LOSSLESS = ("pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_u8", "pcm_f32le", "flac", "alac", "aiff")
LOSSY = ("libopus", "libmp3lame", "aac")


def encoded(codec, samples):
    if codec in files.WAV_TYPES:
        return files.wav(samples, codec=codec)
    container, encoder = {"flac": ("flac", "flac"), "alac": ("mov", "alac"), "aiff": ("aiff", "pcm_s16be")}.get(
        codec, ("matroska", codec)
    )
    return files.encode(container, encoder, np.clip(samples, -1, 1), 48_000 if codec in LOSSY else RATE_HZ)


def voice_like(seed, seconds, rate_hz, amplitude):
    """Modulated noise with peaks at ``amplitude``, float32 [1, n]."""
    rng = np.random.default_rng(seed)
    samples = np.convolve(rng.standard_normal(round(seconds * rate_hz)), np.hanning(16), "same")
    samples *= np.sin(np.pi * np.arange(len(samples)) / rate_hz) ** 2
    return (amplitude * samples / np.abs(samples).max()).astype(np.float32)[None]


@pytest.mark.parametrize("seed", range(50))
def test_clipped_means_runs_at_full_scale_in_the_recording(decoder, seed):
    codec = LOSSLESS[seed % len(LOSSLESS)]
    is_clipped = seed // len(LOSSLESS) % 2 == 0
    samples = voice_like(seed, 2.0, RATE_HZ, 1.0)
    samples = np.clip(8 * samples, -1, 1) if is_clipped else 0.97 * samples
    decoded = decoder.audio(encoded(codec, samples), target_rate_hz=RATE_HZ)
    assert ("clipped" in decoded.flags) == is_clipped
    spans = [span for span in decoded.spans if span.flag == "clipped"]
    assert bool(spans) == is_clipped
    at_end = np.flatnonzero(np.abs(samples[0]) >= 1.0) / RATE_HZ
    if is_clipped:
        assert spans[0].start_s == pytest.approx(at_end[0], abs=0.1)
        assert spans[-1].end_s == pytest.approx(at_end[-1], abs=0.1)


@pytest.mark.parametrize("codec", LOSSY)
@pytest.mark.parametrize("seed", range(4))
def test_a_lossy_codec_that_overshoots_is_not_clipping(decoder, codec, seed):
    samples = voice_like(seed, 1.0, 48_000, 0.999)
    assert "clipped" not in decoder.audio(encoded(codec, samples), target_rate_hz=RATE_HZ).flags


WHOLE = {
    "wav": lambda sound: files.wav(sound),
    "flac": lambda sound: files.flac(sound),
    "mp3": lambda sound: files.mp3(sound, 16_000),
    "ogg": lambda sound: files.ogg_opus(np.repeat(sound, 3, axis=1)),
    "webm": lambda sound: files.webm(np.repeat(sound, 3, axis=1)),
    "mkv with pictures": lambda sound: presented(
        "matroska", [{"codec": "aac", "samples": sound}], 16_000, [{"duration_s": 4.0}]
    ),
    "aac": lambda sound: files.encode("adts", "aac", sound, 16_000),
    "aiff": lambda sound: files.encode("aiff", "pcm_s16be", sound, 16_000),
    "au": lambda sound: files.encode("au", "pcm_s16be", sound, 16_000),
    "caf": lambda sound: files.encode("caf", "pcm_s16be", sound, 16_000),
    "wma": lambda sound: files.encode("asf", "wmav2", sound, 16_000),
}


@pytest.mark.parametrize("share", [1.0, 0.9, 0.71, 0.5, 0.37])
@pytest.mark.parametrize("container", WHOLE)
def test_truncated_alike_in_every_container(decoder, container, share):
    duration_s = 4.0
    sound = voice_like(len(container), duration_s, RATE_HZ, 0.5)
    data = WHOLE[container](sound)
    decoded = decoder.audio(data[: round(share * len(data))], target_rate_hz=RATE_HZ)
    assert ("truncated" in decoded.flags) == (share < 1)
    left_out_s = 1.1 if container == "ogg" else 0.6  # a page of Ogg holds a second
    assert decoded.media.duration_s == pytest.approx(share * duration_s, abs=left_out_s if share < 1 else 0.2)


@pytest.mark.parametrize("seed", range(50))
def test_what_surrounds_the_samples_of_a_wav(decoder, seed):
    rng = random.Random(seed)
    codec = rng.choice(sorted(files.WAV_TYPES))
    channels = rng.choice((1, 2))
    sounds = [files.tone(rng.uniform(0.3, 1.0), RATE_HZ, channels) for _ in range(rng.randint(1, 4))]
    kind = rng.choice(("plain", "size zero", "joined", "chunk", "junk", "padding", "other format", "too large"))
    used = sounds if kind == "joined" and len(sounds) > 1 else sounds[:1]
    first = files.wav(sounds[0], codec=codec)
    data, flags = {
        "plain": lambda: (first, ()),
        "size zero": lambda: (files.wav(sounds[0], codec=codec, claimed_bytes=0), ("header_repaired",)),
        "joined": lambda: (
            b"".join(files.wav(sound, codec=codec) for sound in sounds),
            ("header_repaired",) if len(sounds) > 1 else (),
        ),
        "chunk": lambda: (files.wav(sounds[0], codec=codec, after=files.chunk(b"LIST", b"INFO" + bytes(20))), ()),
        "junk": lambda: (first + b"\x01\x02\x03\x04" * rng.randint(1, 99), ("trailing_data",)),
        "padding": lambda: (first + bytes(rng.randint(1, 4000)), ()),
        "other format": lambda: (first + files.wav(sounds[0], 8_000, codec), ("trailing_data",)),
        "too large": lambda: (
            files.wav(sounds[0], codec=codec, claimed_bytes=rng.randint(10**6, 10**8)),
            ("truncated",),
        ),
    }[kind]()
    decoded = decoder.audio(data, target_rate_hz=RATE_HZ)
    assert decoded.flags == flags
    assert decoded.samples.shape == (channels, sum(sound.shape[1] for sound in used))
    np.testing.assert_allclose(decoded.samples, np.concatenate(used, axis=1), atol=1 / 100)


@pytest.mark.parametrize("seed", range(50))
def test_a_mix_that_cancels_is_a_channel(decoder, seed):
    rng = random.Random(seed)
    cancels = seed % 2 == 0
    voice = voice_like(seed, 2.0, RATE_HZ, rng.uniform(0.05, 0.9))[0]
    noise = np.random.default_rng(seed).standard_normal((2, len(voice))).astype(np.float32) * 0.02 * voice.std()
    other = -voice if cancels else rng.choice((voice, 0 * voice, 0.5 * voice, np.roll(voice, 4000)))
    stereo = np.stack([voice, other]) + noise
    codec = rng.choice(("pcm_s16le", "pcm_f32le", "flac"))
    decoded = decoder.audio(encoded(codec, stereo), target_rate_hz=RATE_HZ, channel="mix")
    assert decoded.names == ("mix",)
    assert ("mix_cancels" in decoded.flags) == cancels
    if cancels:
        likeness = max(abs(np.corrcoef(decoded.samples[0], channel)[0, 1]) for channel in stereo)
        assert likeness > 0.99
        assert any(span.flag == "mix_cancels" and span.end_s > span.start_s for span in decoded.spans)
    else:
        np.testing.assert_allclose(decoded.samples[0], stereo.mean(axis=0), atol=1e-3)


@pytest.mark.parametrize("choice", ["left", "right", "each", "mix"])
def test_channels_are_chosen_inside_the_decoder(decoder, choice):
    stereo = files.tone(1.0, RATE_HZ, 2)
    decoded = decoder.audio(files.wav(stereo, codec="pcm_f32le"), target_rate_hz=RATE_HZ, channel=choice)
    wanted = {"left": stereo[:1], "right": stereo[1:], "each": stereo, "mix": stereo.mean(axis=0)[None]}[choice]
    np.testing.assert_allclose(decoded.samples, wanted, atol=1e-6)
    assert decoded.names == (("left", "right") if choice == "each" else (choice,))
    assert decoded.media.channels == 2
