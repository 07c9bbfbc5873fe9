"""Recognition of sound: every container on the list, tags and padding before bare frames; refusals that tell."""

import random

import numpy as np
import pytest

from service import problems
from service.pipeline.decoding.outline import outline
from service.pipeline.media.containers import AUDIO_CODECS, DEMUXERS, TITLES
from service.pipeline.media.intake import sniff
from tests import media_files as files
from tests.support.long_recordings import Bytes

RATE_HZ = 16_000


def sound_of(seconds):
    return files.tone(seconds, RATE_HZ)


MADE = {
    "adpcm_ms": ("wav", lambda sound: files.encode("wav", "adpcm_ms", sound, RATE_HZ)),
    "adpcm_ima_wav": ("wav", lambda sound: files.encode("wav", "adpcm_ima_wav", sound, RATE_HZ)),
    "g722": ("wav", lambda sound: files.encode("wav", "g722", sound, RATE_HZ)),
    "mulaw": ("wav", lambda sound: files.encode("wav", "pcm_mulaw", sound, RATE_HZ)),
    "alaw": ("wav", lambda sound: files.encode("wav", "pcm_alaw", sound, RATE_HZ)),
    "aiff": ("aiff", lambda sound: files.encode("aiff", "pcm_s16be", sound, RATE_HZ)),
    "au": ("au", lambda sound: files.encode("au", "pcm_s16be", sound, RATE_HZ)),
    "caf": ("caf", lambda sound: files.encode("caf", "pcm_s16be", sound, RATE_HZ)),
    "adts": ("aac", lambda sound: files.encode("adts", "aac", sound, RATE_HZ)),
    "mp2": ("mp3", lambda sound: files.encode("mp2", "mp2", sound, RATE_HZ)),
    "wma": ("asf", lambda sound: files.encode("asf", "wmav2", sound, RATE_HZ)),
    "ts": ("mpegts", lambda sound: files.encode("mpegts", "aac", sound, RATE_HZ)),
    "avi": ("avi", lambda sound: files.encode("avi", "pcm_s16le", sound, RATE_HZ)),
    "flv": ("flv", lambda sound: files.encode("flv", "aac", sound, 44_100)),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", MADE)
def test_containers_and_telephone_codecs_are_decoded(decoder, name, seed):
    container, make = MADE[name]
    seconds = random.Random(seed).uniform(0.5, 3.0)
    sound = files.tone(seconds, 44_100 if name == "flv" else RATE_HZ)
    data = make(sound)
    decoded = decoder.audio(data, target_rate_hz=RATE_HZ)
    assert decoded.media.container == container
    assert decoded.media.duration_s == pytest.approx(seconds, abs=0.2)
    spectrum = np.abs(np.fft.rfft(decoded.samples[0][4000:8000]))
    assert abs(int(spectrum.argmax()) * RATE_HZ / 4000 - 220) <= 8
    assert decoded.flags == ()
    assert sniff(outline(Bytes(data))) == sniff(data)


@pytest.mark.parametrize("frames", [25, 50, 120])
def test_telephone_codecs_that_nothing_here_can_encode(decoder, frames):
    gsm = decoder.audio(files.gsm_wav(frames), target_rate_hz=8_000)
    assert (gsm.media.codec, gsm.samples.shape) == ("gsm_ms", (1, 320 * frames))
    amr = decoder.audio(files.amr(frames), target_rate_hz=8_000)
    assert (amr.media.codec, amr.samples.shape) == ("amr_nb", (1, 160 * frames))


@pytest.mark.parametrize("seed", range(50))
def test_bare_frames_behind_tags_padding_and_a_cut_frame(decoder, seed):
    rng = random.Random(seed)
    kind = rng.choice(("mp3", "aac", "mp2"))
    seconds = rng.uniform(0.6, 2.0)
    container, codec = {"mp3": ("mp3", "libmp3lame"), "aac": ("adts", "aac"), "mp2": ("mp2", "mp2")}[kind]
    bare = files.encode(container, codec, sound_of(seconds), RATE_HZ)
    bare = bare[bare.index(b"\xff") :] if kind == "mp3" else bare
    before = b"".join(files.id3(rng.randint(0, 3000)) for _ in range(rng.randint(0, 4)))
    before += bytes(rng.choice((0, 1, 417, 5000, 200_000)))
    if rng.random() < 0.3:
        before += bare[rng.randint(1, 40) :][:100]  # the rest of a frame
    data = before + bare
    assert sniff(data).name == ("aac" if kind == "aac" else "mp3")
    assert sniff(outline(Bytes(data))) == sniff(data)
    decoded = decoder.audio(data, target_rate_hz=RATE_HZ)
    assert decoded.media.duration_s == pytest.approx(seconds, abs=0.25)
    assert np.abs(decoded.samples).max() > 0.3


@pytest.mark.parametrize(
    "before", [files.id3(700), files.id3(700) + bytes(417), files.id3(5) + files.id3(3000), bytes(90)]
)
def test_tags_and_zeros_before_an_mp3_change_no_sample(decoder, before):
    """The first frame tells how much silence the encoder put before the sound; it is found behind them as well."""
    bare = files.mp3(sound_of(1.5), RATE_HZ)
    bare = bare[bare.index(b"\xff") :]
    plain, tagged = (decoder.audio(data, target_rate_hz=RATE_HZ) for data in (bare, before + bare))
    np.testing.assert_array_equal(tagged.samples, plain.samples)
    assert (tagged.media.duration_s, tagged.flags) == (plain.media.duration_s, plain.flags)
    assert plain.media.duration_s == pytest.approx(1.5, abs=1e-3)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"PK\x03\x04" + bytes(60), "ZIP"),
        (b"%PDF-1.7" + bytes(60), "PDF"),
        (b"RF64\xff\xff\xff\xffWAVE" + bytes(60), "RF64"),
        (b"MThd" + bytes(60), "MIDI"),
        (b"wvpk" + bytes(60), "WavPack"),
        (b"just some words and no more of them", "a text"),
        (np.random.default_rng(440).bytes(100_000), "no known kind"),
    ],
)
def test_a_refusal_says_what_was_found_and_what_is_taken(data, found):
    with pytest.raises(problems.ContainerUnsupported) as caught:
        sniff(data)
    assert found in caught.value.detail
    assert all(title in caught.value.detail for title in TITLES.values())


def test_a_codec_that_is_refused_is_named(decoder):
    data = files.encode("avi", "aac", sound_of(1.0), RATE_HZ)
    with pytest.raises(problems.CodecUnsupported) as caught:
        decoder.audio(data, target_rate_hz=RATE_HZ)
    assert "aac" in caught.value.detail
    assert "pcm_s16le" in caught.value.detail
    with pytest.raises(problems.CodecUnsupported) as caught:
        sniff(files.wav_of(files.pcm(sound_of(1.0)), tag=0x55, bits=0))
    assert "0x0055" in caught.value.detail


def test_noise_is_not_taken_for_frames():
    for seed in range(50):
        data = np.random.default_rng(seed).bytes(300_000)
        with pytest.raises(problems.ContainerUnsupported):
            sniff(data)


def test_every_container_has_a_demuxer_codecs_and_a_title():
    assert set(DEMUXERS) == set(AUDIO_CODECS) == set(TITLES)
