import threading

import numpy as np
import pytest

from service import problems
from service.pipeline.decoding.decode import Decoder
from service.settings import Limits
from tests import media_files as files
from tests.shared_material import SHARED
from tests.support.patience import HANG_S

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def events():
    return []


@pytest.fixture(scope="module")
def decoder(events):
    decoder = Decoder(Limits(max_duration_s=120.0), 1, lambda kind, what: events.append((kind, what)))
    decoder.start()
    yield decoder
    decoder.close()


def decode(decoder, data, rate_hz=RATE_HZ, **options):
    return decoder.audio(data, target_rate_hz=rate_hz, **options)


def similarity(first, second):
    """Correlation of the parts both have."""
    length = min(len(first), len(second))
    return np.corrcoef(first[:length], second[:length])[0, 1]


@pytest.mark.parametrize(
    ("codec", "tolerance"),
    [
        ("pcm_u8", 1 / 128),
        ("pcm_s16le", 1e-4),
        ("pcm_s24le", 1e-6),
        ("pcm_s32le", 1e-7),
        ("pcm_f32le", 0),
        ("pcm_f64le", 1e-7),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_plain_wav_is_read_exactly(decoder, codec, tolerance, channels):
    sound = files.tone(0.3, RATE_HZ, channels)
    decoded = decode(decoder, files.wav(sound, codec=codec))
    assert decoded.samples.dtype == np.float32
    assert all(channel.flags.c_contiguous for channel in decoded.samples)
    assert decoded.samples.shape == sound.shape
    np.testing.assert_allclose(decoded.samples, sound, atol=tolerance)
    assert decoded.media.codec == codec
    assert decoded.media.duration_s == pytest.approx(0.3)
    assert decoded.flags == ()


@pytest.mark.parametrize("codec", list(files.WAV_TYPES))
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("extensible", [False, True])
def test_fast_and_general_path_agree_on_wav(codec, channels, extensible):
    import io

    from service.pipeline.decoding import sandbox
    from service.pipeline.media.intake import sniff

    noise = np.random.default_rng(440).uniform(-0.9, 0.9, (channels, 9_001)).astype(np.float32)
    data = files.wav(noise, 22_050, codec, extensible=extensible, before=files.chunk(b"LIST", b"INFO!"))
    job = Decoder(Limits(), 1)._job(sniff(data + b"\x07"), RATE_HZ, None, None)
    results = []
    for path in (sandbox.decode_audio, sandbox.decode_any):
        blocks = []
        facts = path(io.BytesIO(data + b"\x07"), job, blocks.append)
        results.append((facts, np.concatenate(blocks, axis=1)))
    assert results[0][0] == {name: fact for name, fact in results[1][0].items() if name != "tracks"}
    np.testing.assert_allclose(results[0][1], results[1][1], atol=2e-7)


@pytest.mark.parametrize(
    ("build", "native_hz", "codec"),
    [
        (files.flac, 16_000, "flac"),
        (files.ogg_opus, 48_000, "opus"),
        (files.mp3, 44_100, "mp3"),
        (files.m4a, 44_100, "aac"),
        (files.mov, 44_100, "aac"),
        (files.webm, 48_000, "opus"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_encoded_sound_comes_back(decoder, build, native_hz, codec, channels):
    decoded = decode(decoder, build(files.tone(1.0, native_hz, channels), native_hz))
    assert decoded.media.codec == codec
    assert decoded.media.sample_rate_hz == native_hz
    assert decoded.media.channels == channels
    assert decoded.media.duration_s == pytest.approx(1.0, abs=0.03)
    assert decoded.samples.shape == (channels, pytest.approx(RATE_HZ, abs=500))
    wanted = files.tone(1.0, RATE_HZ, channels)
    for channel in range(channels):
        assert similarity(decoded.samples[channel], wanted[channel]) > 0.99


def test_vorbis_is_decoded(decoder):
    decoded = decode(decoder, files.ogg_vorbis(files.tone(1.0, 44_100, 2)))
    assert (decoded.media.container, decoded.media.codec) == ("ogg", "vorbis")
    assert decoded.samples.shape[0] == 2
    assert np.abs(decoded.samples).max() > 0.3


@pytest.mark.parametrize("native_hz", [8_000, 11_025, 44_100, 48_000, 96_000])
def test_resampling_keeps_length_and_tone(decoder, native_hz):
    decoded = decode(decoder, files.wav(files.tone(2.0, native_hz), native_hz, "pcm_f32le"))
    wanted = files.tone(2.0, RATE_HZ)[0]
    assert abs(decoded.samples.shape[1] - len(wanted)) <= 1
    middle = slice(500, len(wanted) - 500)
    np.testing.assert_allclose(decoded.samples[0][middle], wanted[middle], atol=1e-3)


def test_a_range_is_a_slice_of_the_whole(decoder):
    data = files.wav(files.tone(6.0, 44_100, 2), 44_100)
    whole = decode(decoder, data).samples
    part = decode(decoder, data, start_s=1.25, end_s=2.5)
    np.testing.assert_array_equal(part.samples, whole[:, 20_000:40_000])
    assert part.media.duration_s == pytest.approx(6.0)
    np.testing.assert_array_equal(decode(decoder, data, start_s=5.0).samples, whole[:, 80_000:])
    np.testing.assert_array_equal(decode(decoder, data, end_s=99.0).samples, whole)


@pytest.mark.parametrize(
    ("start_s", "end_s", "pointer"),
    [
        (-1.0, None, "/start_s"),
        (float("nan"), None, "/start_s"),
        (1.0, None, "/start_s"),
        (50.0, None, "/start_s"),
        (0.5, 0.5, "/end_s"),
        (0.5, 0.2, "/end_s"),
        (None, 0.0, "/end_s"),
        (None, float("inf"), "/end_s"),
        (0.2, 0.21, "/end_s"),
        (0.99, None, "/start_s"),
    ],
)
def test_an_impossible_range_names_its_parameter(decoder, start_s, end_s, pointer):
    with pytest.raises(problems.Unprocessable) as caught:
        decode(decoder, files.wav(files.tone(1.0)), start_s=start_s, end_s=end_s)
    assert caught.value.pointer == pointer
    assert caught.value.code == "config_invalid"


def test_clipped_samples_are_cut_and_flagged(decoder):
    decoded = decode(decoder, files.wav(files.tone(0.5, amplitude=1.5), codec="pcm_f32le"))
    assert decoded.flags == ("clipped",)
    assert np.abs(decoded.samples).max() == 1.0


def test_a_cut_off_wav_is_flagged(decoder):
    data = files.wav(files.tone(1.0))
    decoded = decode(decoder, data[: len(data) // 2])
    assert decoded.flags == ("truncated",)
    assert decoded.media.duration_s == pytest.approx(0.5, abs=0.01)


def test_a_cut_off_flac_is_flagged(decoder):
    noise = np.random.default_rng(440).uniform(-0.5, 0.5, (1, 48_000)).astype(np.float32)
    data = files.flac(noise)
    assert "truncated" in decode(decoder, data[: len(data) // 2]).flags


def test_six_channels_stay_apart(decoder):
    sound = files.tone(0.5, 48_000, 6)
    decoded = decode(decoder, files.flac(sound, 48_000), rate_hz=48_000)
    np.testing.assert_allclose(decoded.samples, sound, atol=1e-4)


def test_events_count_failures(decoder, events):
    before = events.count(("failure", "media_empty"))
    with pytest.raises(problems.MediaEmpty):
        decode(decoder, b"")
    assert events.count(("failure", "media_empty")) == before + 1


def test_many_threads_share_the_pool(decoder):
    sounds = [files.tone(0.2 + 0.01 * index) for index in range(12)]
    lengths = {}

    def work(index):
        lengths[index] = decode(decoder, files.wav(sounds[index])).samples.shape[1]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)
    assert lengths == {index: sound.shape[1] for index, sound in enumerate(sounds)}


# Parity --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (SHARED / "corpora").is_dir(), reason=f"no recordings in {SHARED} (EMOSERVE_SHARED)")
@pytest.mark.parametrize("corpus", ["emodb4", "emodb7", "ravdess", "nemo"])
def test_real_recordings_decode_as_by_soundfile(decoder, corpus):
    soundfile = pytest.importorskip("soundfile")
    soxr = pytest.importorskip("soxr")
    recordings = sorted((SHARED / "corpora" / corpus / "audio").iterdir())[::150][:3]
    assert recordings
    for path in recordings:
        wanted, native_hz = soundfile.read(path, dtype="float32", always_2d=True)
        wanted = np.clip(wanted, -1, 1)
        if native_hz != RATE_HZ:
            wanted = soxr.resample(wanted, native_hz, RATE_HZ)
        decoded = decode(decoder, path.read_bytes())
        assert decoded.samples.shape[0] == wanted.shape[1]
        assert abs(decoded.samples.shape[1] - len(wanted)) <= 2
        length = min(decoded.samples.shape[1], len(wanted))
        error = decoded.samples[0, :length] - wanted[:length, 0]
        if path.suffix == ".flac":
            assert np.abs(error).max() < 1e-6
        else:  # libopus decodes at 16 kHz for soundfile, FFmpeg at 48 kHz: only the filters differ
            assert np.sqrt(np.mean(error**2)) < 0.05 * np.sqrt(np.mean(wanted**2))


@pytest.mark.skipif(not (SHARED / "media").is_dir(), reason=f"no videos in {SHARED} (EMOSERVE_SHARED)")
def test_sound_tracks_of_real_videos_decode(decoder):
    for name, duration_s, flags in (("single_face.mp4", 2.418, ()), ("noface_face.mov", 6.379, ("sound_gap",))):
        decoded = decode(decoder, (SHARED / "media" / name).read_bytes())
        assert decoded.media.duration_s == pytest.approx(duration_s, abs=0.01)
        assert decoded.flags == flags  # the sound of the second ends at 4.0 s
