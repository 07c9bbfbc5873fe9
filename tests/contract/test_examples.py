"""The examples of docs/examples run as they stand."""

import ast
import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.loaded import Loaded
from service.services import Services
from service.settings import Settings
from tests.plain_wav import tone, wav
from tests.support.documents import DOCUMENTS, ROOT, blocks, blocks_of, curl_commands
from tests.support.fakes import FakeVideoPipeline
from tests.support.far_server import FarServer, far_server, sized
from tests.support.job_server import JobServer, serving_jobs
from tests.support.live_server import LiveServer
from tests.support.patience import HANG_S
from tests.support.tiny_services import needs_faces, pcm, serving_project, serving_tiny, tiny_services
from tests.tiny_models import expected_probabilities, write_speaker_bundle, write_speech_bundle, write_voice_bundle

EXAMPLES = ROOT / "docs" / "examples"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Files that the examples send; the service behind them makes up its answers."""
    contents = {"talk.wav": wav(tone(2.0)), "talk.mp4": b"\0\0\0\x18ftyp", "units.csv": b"frame,timestamp"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: str(tmp_path / name) for name in contents}


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "client"), **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=2 * HANG_S)


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@needs_curl
def test_curl(live: LiveServer, files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    done = run(["sh", str(EXAMPLES / "curl.sh"), live.url, *files.values()], tmp_path, KEEP="answers")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "answers/emotion.png").read_bytes().startswith(b"\x89PNG")
    assert b'"attribution"' in (tmp_path / "answers/affect.json").read_bytes()
    assert b'"resourceType":"Bundle"' in (tmp_path / "answers/affect.fhir.json").read_bytes()
    assert "channel,start_s" in done.stdout


@needs_curl
def test_curl_with_the_sample_files(tmp_path: Path) -> None:
    """The real service judges the files that samples.py makes, and nothing is left behind."""
    needs_faces()
    (tmp_path / "scratch").mkdir()
    with serving_project() as server:
        command = ["sh", str(EXAMPLES / "curl.sh"), server.url]
        done = run(command, tmp_path, PYTHON=sys.executable, TMPDIR=str(tmp_path / "scratch"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["scratch"]
    for name in ("emotion.png", "affect.json", "affect.fhir.json"):
        size = re.search(rf"^{name}: +(\d+) bytes$", done.stdout, re.MULTILINE)
        assert size is not None, done.stdout
        assert int(size[1]) > 1000


MISSING = [
    ("sh", "curl.sh", 3),
    ("sh", "curl_job.sh", 1),
    (sys.executable, "python_client.py", 1),
    (sys.executable, "python_httpx.py", 1),
    (sys.executable, "python_job.py", 1),
    (sys.executable, "python_stream.py", 1),
    (sys.executable, "python_websocket.py", 1),
    ("node", "javascript.mjs", 1),
]


@pytest.mark.parametrize(("program", "name", "count"), MISSING, ids=[name for _, name, _ in MISSING])
def test_a_missing_file_or_argument_gets_one_sentence(program: str, name: str, count: int, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    command = [program, str(EXAMPLES / name), "http://127.0.0.1:9"]
    missing = run([*command, *["missing.wav"] * count], tmp_path)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert re.fullmatch(r"The file missing\.wav cannot be read.*\.\n", missing.stderr), missing.stderr
    misused = run([*command, *["more"] * 5] if name == "curl.sh" else command, tmp_path)
    assert misused.returncode != 0
    assert re.fullmatch(r"Usage: .*\n", misused.stderr), misused.stderr


@needs_curl
def test_curl_fails_when_the_service_refuses(live: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    done = run(["sh", str(EXAMPLES / "curl.sh"), live.url, *["empty"] * 3], tmp_path)
    assert done.returncode != 0
    assert '"code":"media_empty"' in done.stdout


def test_python_with_the_client(live: LiveServer, files: dict[str, str], tmp_path: Path) -> None:
    done = run([sys.executable, str(EXAMPLES / "python_client.py"), live.url, files["talk.wav"]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{files['talk.wav']}: " in done.stdout
    assert " s to " in done.stdout


def test_python_with_tritons_client(tiny_models: Path, tmp_path: Path) -> None:
    clip = tone(0.3)
    (tmp_path / "clip.wav").write_bytes(wav(clip))
    with serving_tiny(tiny_models, threads=1) as server:
        place = server.url.removeprefix("http://")
        done = run([sys.executable, str(EXAMPLES / "python_inference.py"), place, "tiny", "clip.wav"], tmp_path)
    assert done.returncode == 0, done.stderr
    numbers = [float(word) for word in re.findall(r"\d\.\d+", done.stdout)]
    assert numbers[:2] == pytest.approx(expected_probabilities(clip), abs=1e-3)


def test_python_with_httpx(live: LiveServer, files: dict[str, str], tmp_path: Path) -> None:
    done = run([sys.executable, str(EXAMPLES / "python_httpx.py"), live.url, files["talk.mp4"]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("arousal mean ")
    assert "flags: " in done.stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_javascript(live: LiveServer, files: dict[str, str], tmp_path: Path) -> None:
    script = str(EXAMPLES / "javascript.mjs")
    done = run(["node", script, live.url, files["talk.wav"]], tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "empty.wav").touch()
    refused = run(["node", script, live.url, str(tmp_path / "empty.wav")], tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("media_empty: ")
    assert "result anger" in done.stdout


@pytest.fixture(scope="module")
def store() -> Iterator[FarServer]:
    with far_server() as server:
        server.talks["/talk.wav"] = sized(wav(tone(2.0)))
        yield server


@pytest.fixture(scope="module")
def jobs(store: FarServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobServer]:
    """Models of its own for voices, which stream too, jobs, and a stand-in for the face."""
    folder = tmp_path_factory.mktemp("jobs")
    write_speech_bundle(folder / "models", profiles=True)
    write_voice_bundle(folder / "models")
    write_speaker_bundle(folder / "models")

    def services(settings: Settings) -> Services:
        voice = tiny_services(settings).loaded
        return Services(settings, Loaded(voice.registry, voice.decoder, voice.pipeline, FakeVideoPipeline()))

    callbacks = {"callback_hosts": ["clinic.example"], "callback_secrets": ["whsec_" + 32 * "c"]}
    with serving_jobs(
        folder / "state",
        services_of=services,
        model_dirs=[folder / "models"],
        device="cpu",
        **callbacks,
        **store.settings,
    ) as server:
        yield server


@needs_curl
def test_a_job_with_curl(jobs: JobServer, files: dict[str, str], tmp_path: Path) -> None:
    done = run(["sh", str(EXAMPLES / "curl_job.sh"), jobs.url, files["talk.wav"]], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"state":"succeeded"' in done.stdout
    assert "channel,start_s" in done.stdout
    assert "event: result" in done.stdout


def test_a_job_with_the_client(jobs: JobServer, files: dict[str, str], tmp_path: Path) -> None:
    done = run([sys.executable, str(EXAMPLES / "python_job.py"), jobs.url, files["talk.wav"]], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["100%", "anger"]
    (tmp_path / "bad.wav").write_bytes(b"invalid")
    failed = run([sys.executable, str(EXAMPLES / "python_job.py"), jobs.url, str(tmp_path / "bad.wav")], tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.strip() == "failed: media_invalid"


@pytest.fixture
def talk(tmp_path: Path) -> str:
    sound = tone(2.0, 44_100)
    (tmp_path / "talk.wav").write_bytes(wav(sound, sound, rate_hz=44_100))
    return str(tmp_path / "talk.wav")


def test_a_live_stream_with_the_client(jobs: JobServer, talk: str, tmp_path: Path) -> None:
    done = run([sys.executable, str(EXAMPLES / "python_stream.py"), jobs.url, talk], tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "0.0 s to 1.0 s",
        "0.5 s to 1.5 s",
        "1.0 s to 2.0 s",
    ]


@pytest.mark.parametrize("width", [1, 3, 4])
@pytest.mark.parametrize("name", ["python_stream.py", "python_websocket.py"])
def test_a_live_stream_of_samples_of_another_width(jobs: JobServer, name: str, width: int, tmp_path: Path) -> None:
    """The example sends the upper two bytes of each sample, so that the answers are those of the 16 bit file."""
    address = jobs.url.replace("http", "ws") if name == "python_websocket.py" else jobs.url
    upper = np.frombuffer(pcm(tone(1.5)), "<i2") & -256  # what a sample of 8 bit holds, too
    samples = {
        1: ((upper >> 8) + 128).astype("u1").tobytes(),
        2: upper.astype("<i2").tobytes(),
        3: b"".join(b"\x7f" + sample for sample in map(bytes, upper.astype("<i2").view("u1").reshape(-1, 2))),
        4: (upper.astype("<i4") << 16).astype("<i4").tobytes(),
    }
    told = []
    for each in (2, width):
        with wave.open(str(tmp_path / "talk.wav"), "wb") as file:
            file.setparams((1, each, 16_000, 0, "NONE", ""))
            file.writeframes(samples[each])
        done = run([sys.executable, str(EXAMPLES / name), address, str(tmp_path / "talk.wav")], tmp_path)
        assert done.returncode == 0, done.stderr
        told.append(re.sub(r"'id': '[^']*'", "", done.stdout))
    assert "1.0" in told[0]
    assert told[0] == told[1]


@pytest.mark.parametrize("name", ["python_stream.py", "python_websocket.py"])
def test_a_file_that_is_no_wav_gets_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(b"fLaC" * 20)
    done = run([sys.executable, str(EXAMPLES / name), "http://127.0.0.1:9", "talk.wav"], tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"The file talk\.wav is no WAV file with PCM samples: .*\.\n", done.stderr), done.stderr


def test_a_live_stream_without_the_client(jobs: JobServer, talk: str, tmp_path: Path) -> None:
    address = jobs.url.replace("http", "ws")
    done = run([sys.executable, str(EXAMPLES / "python_websocket.py"), address, talk], tmp_path)
    assert done.returncode == 0, done.stderr
    messages = [ast.literal_eval(line) for line in done.stdout.splitlines()]
    assert [message["type"] for message in messages] == ["session.created", *["window"] * 3, "session.closed"]


def test_the_document_of_the_client(
    jobs: JobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All snippets of the document run, one after the other."""
    (tmp_path / "recording.wav").write_bytes(wav(tone(2.0)))
    (tmp_path / "night.flac").write_bytes(b"sound")
    (tmp_path / "talk.mp4").write_bytes(b"\0\0\0\x18ftyp")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"microphone": [pcm(tone(0.5)) for _ in range(4)]}
    for block in blocks("python"):
        if block.path == ROOT / "client/README.md":
            exec(compile(block.text.replace("http://127.0.0.1:8000", jobs.url), str(block), "exec"), names)
    names["emoserve"].close()  # type: ignore[attr-defined]
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    told = capsys.readouterr().out
    assert "100%" in told
    assert "JobState.SUCCEEDED" in told


VISITS = [f"{name}.{ending}" for name in ("visit1", "visit2", "visit3", "today") for ending in ("wav", "mp4")]


@needs_curl
@pytest.mark.parametrize("path", [path for path in DOCUMENTS if any(map(curl_commands, blocks_of(path)))], ids=str)
def test_curl_in_documents(path: Path, jobs: JobServer, store: FarServer, tmp_path: Path) -> None:
    """Every call that a document tells to paste, in its order; ID is the job that was begun last."""
    for name in ("recording.wav", "speech.wav", "talk.wav", *VISITS, "recording.mp4", "talk.mp4", "openface.csv"):
        (tmp_path / name).write_bytes(wav(tone(2.0)))
    job_id = "ID"
    for command in [command for block in blocks_of(path) for command in curl_commands(block)]:
        line = command.replace("http://127.0.0.1:8000", jobs.url).replace("/ID", f"/{job_id}")
        line = line.replace("https://bucket.s3.eu-central-1.amazonaws.com", f"http://127.0.0.1:{store.port}")
        line = line.replace("…", "x")
        line = re.sub(r"model=(squeezenet-emodb7|NAME|own)\b", "model=tiny", line)  # these are the reader's to make
        done = run(["sh", "-c", line.replace("curl ", "curl -sS --fail-with-body ", 1)], tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        if begun := re.search(r"^location: /v1/jobs/(\S+)", done.stdout, re.MULTILINE | re.IGNORECASE):
            job_id = begun[1]


def test_every_example_has_a_test() -> None:
    tests = "".join(
        (ROOT / "tests/contract" / name).read_text() for name in ("test_examples.py", "test_stream_page.py")
    )
    loaded = (EXAMPLES / "stream.html").read_text() + (EXAMPLES / "stream.js").read_text()
    for path in EXAMPLES.iterdir():
        assert path.name in tests + loaded, f"{path.name} is run by no test"
