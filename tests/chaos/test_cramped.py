"""Machines that lack something, and starts that must fail with one clear line: programs of their own."""

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.server import address_of
from tests import media_files
from tests.plain_wav import tone, wav
from tests.shared_material import ROOT
from tests.support.patience import HANG_S
from tests.tiny_models import write_speech_bundle

MIB = 1024 * 1024
SOUND = wav(tone(1.0))


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Nothing of this process's own but where programs are, and no folder to keep anything in."""
    given = {f"EMOSERVE_{name.upper()}": value for name, value in settings.items()}
    nowhere = {"TMPDIR": "/nonexistent", "HOME": "/nonexistent"}
    models = {"EMOSERVE_MODEL_DIRS": f'["{folder}"]', "EMOSERVE_PORT": "0"}
    return {"PATH": os.environ["PATH"]} | nowhere | models | given


@contextmanager
def serving_program(folder: Path, prepare=None, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``emoserve serve`` on a free port; yields the process and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "serve", "--device", "cpu"],
        cwd=ROOT,
        env=environment(folder, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )
    try:
        yield process, address_of(process)
    finally:
        process.kill()
        process.communicate()


def failed_start(folder: Path, **settings: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-m", "service", "serve", "--device", "cpu", "--log-level", "error"],
        cwd=ROOT,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def one_cpu_and_nothing_writable() -> None:
    """The process may open files for writing but never get a byte into them, like on a full or read-only disk."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.hostile_row(79)
@pytest.mark.chaos_row("no disk", "one processor")
def test_one_cpu_and_no_disk_to_write_to(speech_models: Path) -> None:
    with serving_program(speech_models, one_cpu_and_nothing_writable) as (process, url):
        answers = [httpx.post(f"{url}/v1/audio/emotion", content=SOUND) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        body = media_files.wav(media_files.tone(60.0))  # larger than what frameworks spool to a disk
        sent = httpx.post(f"{url}/v1/audio/emotion", files={"file": ("a.wav", body)})
        assert sent.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_S) == 0


def little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (512 * MIB, 512 * MIB))


@pytest.mark.hostile_row(57)
@pytest.mark.chaos_row("little memory")
def test_row_57_within_512_mib(speech_models: Path) -> None:
    """More than an hour of silence in a few kilobytes, in processes whose data may hold 512 MiB each."""
    bomb = media_files.flac_silence(61 * 60)
    with serving_program(speech_models, little_memory) as (_, url):
        refused = httpx.post(f"{url}/v1/audio/emotion", content=bomb)
        assert (refused.status_code, refused.json()["code"]) == (413, "media_too_long")
        assert httpx.post(f"{url}/v1/audio/emotion", content=SOUND).status_code == 200
        assert httpx.get(f"{url}/v2/health/ready").status_code == 200


@pytest.mark.chaos_row("port busy")
def test_a_busy_port_is_one_line(speech_models: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, lines = failed_start(speech_models, port=str(port))
    assert status == 1
    assert lines == [f"emoserve: 127.0.0.1:{port}: Address already in use"]


@pytest.mark.chaos_row("model corrupted")
def test_a_corrupted_model_is_one_line(tmp_path: Path) -> None:
    write_speech_bundle(tmp_path)
    (graph,) = tmp_path.rglob("*.onnx")
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    status, lines = failed_start(tmp_path)
    assert status == 1
    assert len(lines) == 1
    assert "sha256" in lines[0]
    assert graph.name in lines[0]


@pytest.mark.chaos_row("bad new version")
def test_a_bad_new_version_stops_a_start_and_leaves_the_running_service_alone(tmp_path: Path) -> None:
    write_speech_bundle(tmp_path)
    with serving_program(tmp_path) as (process, url):
        write_speech_bundle(tmp_path, version="2")
        (graph,) = (tmp_path / "tiny" / "2").glob("*.onnx")
        graph.write_bytes(graph.read_bytes()[:-1])
        status, lines = failed_start(tmp_path)
        assert status == 1
        assert len(lines) == 1
        answer = httpx.post(f"{url}/v1/audio/emotion", content=SOUND)
        assert (answer.status_code, answer.json()["model"]["version"]) == (200, "1")
        assert process.poll() is None


@pytest.mark.parametrize("name", ["keys_file", "audit_file"])
def test_a_file_that_is_not_there_is_one_line(speech_models: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "nowhere" / "file"
    status, lines = failed_start(speech_models, **{name: str(path)})
    assert status == 1
    assert lines == [f"emoserve: {path}: No such file or directory"]


def test_no_core_of_the_service_or_its_decoders(speech_models: Path) -> None:
    with serving_program(speech_models, decode_workers="1") as (process, _):
        family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        assert len(family) == 3  # service, fork server, decoder
        for pid in family:
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]


def test_a_process_without_cores_cannot_be_dumped_by_a_program_either() -> None:
    """The kernel ignores the limit where ``core_pattern`` names a program, but it never ignores this."""
    code = (
        "import ctypes, os; from service.pipeline.decoding.confinement import forbid_core_dumps; get = 3\n"
        "state = lambda: ctypes.CDLL(None).prctl(get, 0, 0, 0, 0)\n"
        "before = state(); forbid_core_dumps(); child = os.fork()\n"
        "if not child: os._exit(state())\n"
        "print(before, state(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[1:] == ["0", "0"]
