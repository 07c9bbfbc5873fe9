from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from service import problems
from service.pipeline.decode import Decoder
from service.settings import Limits
from tests import media_files as files

RATE_HZ = 16_000
SHARED = Path(os.environ.get("EMOSERVE_SHARED", Path(__file__).parents[2].parent / "shared"))


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
    assert decoded.samples.flags.c_contiguous
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

    from service.pipeline import sandbox
    from service.pipeline.intake import sniff

    noise = np.random.default_rng(440).uniform(-0.9, 0.9, (channels, 9_001)).astype(np.float32)
    data = files.wav(noise, 22_050, codec, extensible=extensible, before=files.chunk(b"LIST", b"INFO!"))
    job = Decoder(Limits(), 1)._job(sniff(data + b"\x07"), RATE_HZ, None, None)
    results = []
    for path in (sandbox.decode_audio, sandbox.decode_any):
        blocks = []
        facts = path(io.BytesIO(data + b"\x07"), job, blocks.append)
        results.append((facts, np.concatenate(blocks, axis=1)))
    assert results[0][0] == results[1][0]
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
        thread.join(30)
    assert lengths == {index: sound.shape[1] for index, sound in enumerate(sounds)}


# Processes -----------------------------------------------------------------------------------------------


def test_a_process_can_open_nothing(decoder):
    (pid,) = decoder.worker_pids()
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    limit = {line[:26].strip(): line[26:].split()[0] for line in limits[1:]}
    assert limit["Max open files"] == "0"
    assert limit["Max file size"] == "0"
    assert limit["Max core file size"] == "0"
    assert limit["Max processes"] == "0"
    assert int(limit["Max address space"]) == Limits().decode_memory_bytes
    opened = os.listdir(f"/proc/{pid}/fd")
    assert len(opened) == 4  # /dev/null three times, and the connection


def test_a_process_has_no_environment_of_ours(decoder, monkeypatch):
    monkeypatch.setenv("EMOSERVE_SECRET", "canary")
    with running(Decoder(Limits(), 1)) as other:
        environment = Path(f"/proc/{other.worker_pids()[0]}/environ").read_bytes()
    assert b"canary" not in environment
    assert b"LANG=C.UTF-8" in environment


def test_the_service_itself_never_loads_the_decoder():
    script = "import sys, service.pipeline.decode; sys.exit('av' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("program", ["/bin/false", "/nonexistent"])
def test_processes_that_cannot_be_had_are_told_at_the_start(monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    decoder = Decoder(Limits(), 1)
    with pytest.raises(problems.DecoderUnavailable):
        decoder.start()
    assert decoder.worker_pids() == []


@contextlib.contextmanager
def running(decoder):
    decoder.start()
    try:
        yield decoder
    finally:
        decoder.close()


def stopped_job(decoder, data, *, begun=True):
    """Send a job to the only process while it is stopped; return its pid, the thread and what it will catch.

    A stopped process cannot say that it has begun: ``begun`` says so in its place.
    """
    (pid,) = decoder.worker_pids()
    os.kill(pid, signal.SIGSTOP)
    caught = []

    def work():
        try:
            decode(decoder, data)
        except problems.Problem as problem:
            caught.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    decoder._pool._live[pid].has_begun = begun
    return pid, thread, caught


GOOD = files.wav(files.tone(0.5))


def test_a_killed_process_costs_one_answer_and_is_replaced():
    events = []
    with running(Decoder(Limits(), 1, lambda *event: events.append(event))) as decoder:
        pid, thread, caught = stopped_job(decoder, GOOD)
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        thread.join(10)
        assert [problem.code for problem in caught] == ["decoder_unavailable"]
        assert caught[0].retry_after_s == 1.0
        assert decode(decoder, GOOD).samples.shape == (1, 8000)
        assert time.monotonic() - killed < 1.0
        assert decoder.worker_pids() != [pid]
        assert ("worker_death", "SIGKILL") in events


def test_a_file_that_crashes_the_decoder_is_refused_the_second_time_at_once():
    events = []
    with running(Decoder(Limits(), 1, lambda *event: events.append(event))) as decoder:
        pid, thread, caught = stopped_job(decoder, GOOD)
        os.kill(pid, signal.SIGSEGV)
        os.kill(pid, signal.SIGCONT)
        thread.join(10)
        assert [problem.code for problem in caught] == ["media_crashed_decoder"]
        assert ("worker_death", "SIGSEGV") in events
        survivors = decoder.worker_pids()
        with pytest.raises(problems.MediaCrashedDecoder):
            decode(decoder, GOOD)
        assert decoder.worker_pids() == survivors
        assert decode(decoder, files.wav(files.tone(0.6))).samples.shape == (1, 9600)


def test_a_process_that_dies_before_it_looks_into_a_file_is_not_the_files_fault():
    events = []
    with running(Decoder(Limits(), 1, lambda *event: events.append(event))) as decoder:
        pid, thread, caught = stopped_job(decoder, GOOD, begun=False)
        os.kill(pid, signal.SIGSEGV)
        os.kill(pid, signal.SIGCONT)
        thread.join(10)
        assert caught == []
        assert ("worker_death", "SIGSEGV") in events
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_a_process_that_died_idle_is_replaced_unnoticed():
    with running(Decoder(Limits(), 1)) as decoder:
        (pid,) = decoder.worker_pids()
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        assert decode(decoder, GOOD).samples.shape == (1, 8000)
        assert decoder.worker_pids() != [pid]


def test_the_fork_server_is_started_again():
    with running(Decoder(Limits(), 1)) as decoder:
        (pid,) = decoder.worker_pids()
        server = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(server, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_a_file_that_needs_too_much_memory_is_a_bad_file():
    with running(Decoder(Limits(decode_memory_bytes=256 * 1024 * 1024), 1)) as decoder:
        with pytest.raises(problems.MediaInvalid):
            decode(decoder, files.wav_of(bytes(64_000_000), bits=8))
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_a_process_that_hangs_is_killed():
    with running(Decoder(Limits(decode_timeout_s=0.5), 1)) as decoder:
        _, thread, caught = stopped_job(decoder, GOOD)
        thread.join(10)
        assert [problem.code for problem in caught] == ["deadline_exceeded"]
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_no_process_in_time_is_unavailable():
    with running(Decoder(Limits(decode_timeout_s=2.0, deadline_s=0.2), 1)) as decoder:
        pid, thread, _ = stopped_job(decoder, GOOD)
        with pytest.raises(problems.DecoderUnavailable):
            decode(decoder, GOOD)
        os.kill(pid, signal.SIGCONT)
        thread.join(10)
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_closing_leaves_no_process_behind():
    decoder = Decoder(Limits(), 2)
    with running(decoder):
        pids = decoder.worker_pids()
        assert len(pids) == 2
    deadline_s = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(problems.DecoderUnavailable):
        decode(decoder, GOOD)


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
    for name, duration_s in (("single_face.mp4", 2.418), ("noface_face.mov", 3.966)):
        decoded = decode(decoder, (SHARED / "media" / name).read_bytes())
        assert decoded.media.duration_s == pytest.approx(duration_s, abs=0.01)
        assert decoded.flags == ()
