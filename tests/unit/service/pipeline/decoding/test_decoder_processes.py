"""Decoder processes: what they may do, and what becomes of them and of their jobs."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from service import problems
from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.pool import SHORT_TIMEOUT_S
from service.settings import Limits
from tests import media_files as files
from tests.shared_material import ROOT
from tests.support.patience import HANG_S, wait_until

GOOD = files.wav(files.tone(0.5))


@pytest.fixture(scope="module")
def decoder():
    with running(Decoder(Limits(max_duration_s=120.0), 1)) as decoder:
        yield decoder


def decode(decoder, data):
    return decoder.audio(data, target_rate_hz=16_000)


@contextlib.contextmanager
def running(decoder):
    decoder.start()
    try:
        yield decoder
    finally:
        decoder.close()


def has_ended(pid):
    """Whether a process is gone, or waits only to be taken note of."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


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

    worker = decoder._pool._live[pid]
    worker.has_begun = None
    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: worker.has_begun is False)  # the job is being sent
    worker.has_begun = begun
    return pid, thread, caught


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
    script = "import sys, service.pipeline.decoding.decode; sys.exit('av' in sys.modules)"
    root = ROOT
    assert subprocess.run([sys.executable, "-c", script], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("program", ["/bin/false", "/nonexistent"])
def test_processes_that_cannot_be_had_are_told_at_the_start(monkeypatch, program):
    monkeypatch.setattr(sys, "executable", program)
    decoder = Decoder(Limits(), 1)
    with pytest.raises(problems.DecoderUnavailable):
        decoder.start()
    assert decoder.worker_pids() == []


def test_a_killed_process_costs_one_answer_and_is_replaced():
    events = []
    with running(Decoder(Limits(), 1, lambda *event: events.append(event))) as decoder:
        pid, thread, caught = stopped_job(decoder, GOOD)
        os.kill(pid, signal.SIGKILL)
        thread.join(HANG_S)
        assert [problem.code for problem in caught] == ["decoder_unavailable"]
        assert caught[0].retry_after_s == 1.0
        assert decode(decoder, GOOD).samples.shape == (1, 8000)
        assert decoder.worker_pids() != [pid]
        assert ("worker_death", "SIGKILL") in events


def test_a_file_that_crashes_the_decoder_is_refused_the_second_time_at_once():
    events = []
    with running(Decoder(Limits(), 1, lambda *event: events.append(event))) as decoder:
        pid, thread, caught = stopped_job(decoder, GOOD)
        os.kill(pid, signal.SIGSEGV)
        os.kill(pid, signal.SIGCONT)
        thread.join(HANG_S)
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
        thread.join(HANG_S)
        assert caught == []
        assert ("worker_death", "SIGSEGV") in events
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_a_process_that_died_idle_is_replaced_unnoticed():
    with running(Decoder(Limits(), 1)) as decoder:
        (pid,) = decoder.worker_pids()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: has_ended(pid))
        assert decode(decoder, GOOD).samples.shape == (1, 8000)
        assert decoder.worker_pids() != [pid]


def test_the_fork_server_is_started_again():
    with running(Decoder(Limits(), 1)) as decoder:
        (pid,) = decoder.worker_pids()
        server = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(server, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: has_ended(server) and has_ended(pid))
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_a_file_that_needs_too_much_memory_is_a_bad_file():
    with running(Decoder(Limits(decode_memory_bytes=256 * 1024 * 1024), 1)) as decoder:
        with pytest.raises(problems.MediaInvalid):
            decode(decoder, files.wav_of(bytes(64_000_000), bits=8))
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_a_process_that_hangs_is_killed():
    with running(Decoder(Limits(decode_timeout_s=SHORT_TIMEOUT_S), 1)) as decoder:
        _, thread, caught = stopped_job(decoder, GOOD)
        thread.join(HANG_S)
        assert [problem.code for problem in caught] == ["deadline_exceeded"]
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_no_process_in_time_is_unavailable():
    with running(Decoder(Limits(decode_timeout_s=HANG_S, deadline_s=0.2), 1)) as decoder:
        pid, thread, _ = stopped_job(decoder, GOOD)
        with pytest.raises(problems.DecoderUnavailable):
            decode(decoder, GOOD)
        os.kill(pid, signal.SIGCONT)
        thread.join(HANG_S)
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_clips_and_live_pictures_do_not_wait_for_videos():
    is_seen, may_go_on = threading.Event(), threading.Event()

    def look(*_):
        is_seen.set()
        assert may_go_on.wait(HANG_S)

    with running(Decoder(Limits(), 1)) as decoder:
        movie = files.video(files.greys(3))
        watching = threading.Thread(target=lambda: decoder.video(movie, look, timeout_s=60.0))
        watching.start()
        assert is_seen.wait(HANG_S)
        assert decode(decoder, GOOD).samples.shape == (1, 8000)
        with pytest.raises(problems.MediaInvalid):
            decoder.pictures([(0.0, b"\xff\xd8\xff")], look, timeout_s=10.0)
        assert len(decoder.worker_pids()) == 2
        may_go_on.set()
        watching.join(HANG_S)
        assert decode(decoder, GOOD).samples.shape == (1, 8000)


def test_more_processes_than_needed_are_never_started():
    with running(Decoder(Limits(), 1)) as decoder:
        first = decoder.worker_pids()
        decode(decoder, GOOD)
        decoder.video(files.video(files.greys(3)), lambda *_: None, timeout_s=60.0)
        assert decoder.worker_pids() == first


def test_closing_leaves_no_process_behind():
    decoder = Decoder(Limits(), 2)
    with running(decoder):
        pids = decoder.worker_pids()
        assert len(pids) == 2
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    with pytest.raises(problems.DecoderUnavailable):
        decode(decoder, GOOD)
