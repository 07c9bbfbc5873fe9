"""The wheel by itself: in an environment of its own and a folder with nothing in it."""

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from benchmarks.server import address_of
from tests.plain_wav import tone, wav
from tests.shared_material import ROOT
from tests.support.live_server import HANG_S

SOURCES = ("emoserve", "service", "export", "models", "pyproject.toml", "setup.py", "MANIFEST.in")
TEXTS = ("README.md", "LICENSE", "NOTICE")
VOICE_ACTIVITY = "var/models/voice-activity"


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel, an empty folder to work in, and a home to keep things in."""

    programs: Path
    place: Path
    home: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "EMOSERVE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            cwd=self.place,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The address of ``emoserve serve``."""
        process = subprocess.Popen(
            [str(self.programs / "emoserve"), "serve", "--port", "0", "--log-level", "error"],
            cwd=self.place,
            env=self.variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield address_of(process)
        finally:
            process.terminate()
            process.communicate(timeout=HANG_S)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel of this source tree, installed where its dependencies can be seen but not the tree."""
    if not any((ROOT / VOICE_ACTIVITY).glob("*/LICENSE")):
        pytest.skip(f"no voice activity bundle with its licence at {ROOT / VOICE_ACTIVITY}: run `emoserve setup`")
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    for name in (*SOURCES, VOICE_ACTIVITY):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    for name in TEXTS:
        shutil.copy(ROOT / name, tree / name)
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(tree))
    shutil.rmtree(tree)  # nothing of it can be used any more
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    (wheel,) = folder.glob("*.whl")
    pip("--python", str(environment / "bin/python"), "install", str(wheel))
    for name in ("place", "home"):
        (folder / name).mkdir()
    return Installation(environment / "bin", folder / "place", folder / "home")


def pip(*arguments: str) -> None:
    at = next((index for index, word in enumerate(arguments) if word in ("wheel", "install")), 0)
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", *arguments[: at + 1], *options, *arguments[at + 1 :]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_bundles_are_found(installed: Installation) -> None:
    done = installed.run("emoserve", "models", "--json")
    assert done.returncode == 0, done.stderr
    tasks = {entry["card"]["name"]: entry["card"]["task"] for entry in json.loads(done.stdout)["models"]}
    assert tasks.keys() >= {"emonet-open", "denoiser-lstm", "affect-prior", "action-units-468", "voice-activity"}
    found = installed.run("python", "-c", "import service; print(service.__file__)").stdout
    assert str(installed.programs.parent) in found
    (package,) = installed.programs.parent.glob("lib/python*/site-packages/service")
    assert [path.name for path in package.glob("models/voice-activity/*/LICENSE")] == ["LICENSE"]


def test_a_recording_is_judged_without_a_server(installed: Installation, tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(wav(tone(2.0)))
    done = installed.run("emoserve", "analyze", str(clip), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["media"]["duration_s"] == 2.0
    assert answer["flags"] == ["no_speech"]  # voice activity is there, and hears that a tone is no voice


def test_the_python_interface_answers(installed: Installation, tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    clip.write_bytes(wav(tone(2.0)))
    done = installed.run(
        "python", "-c", f"import emoserve; print(emoserve.Analyzer().audio({str(clip)!r}).to_dict()['flags'])"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "['no_speech']\n", "")


def test_the_server_answers(installed: Installation) -> None:
    with installed.serving() as address:
        answer = httpx.post(f"{address}/v1/audio/emotion", files={"file": wav(tone(2.0))}, timeout=HANG_S)
        assert (answer.status_code, answer.json()["flags"]) == (200, ["no_speech"])
        page = httpx.get(address)
        assert page.status_code == 200
        scripts = [part.split('"')[0] for part in page.text.split('src="')[1:]]
        assert scripts
        assert [httpx.get(f"{address}/{name.lstrip('/')}").status_code for name in scripts] == [200] * len(scripts)
        refused = httpx.post(f"{address}/v1/video/affect", files={"file": b"RIFF"}, timeout=HANG_S)
        assert refused.status_code == 503
        assert "run `emoserve setup`" in refused.json()["detail"]
    assert list(installed.place.iterdir()) == []


def test_set_up_adds_what_is_missing_to_the_users_folder(installed: Installation, tmp_path: Path) -> None:
    wrong = tmp_path / "face_landmarker.task"
    wrong.write_bytes(b"something else")
    done = installed.run("emoserve", "setup", "--task", str(wrong))
    assert done.returncode == 1
    assert done.stdout.startswith("voice-activity: there already")
    assert "mediapipe-faces: this is not the published face_landmarker.task" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_command_of_the_offline_extra_says_what_it_needs(installed: Installation) -> None:
    without_torch = "import sys; sys.modules['torch'] = None; from export.__main__ import main; sys.exit(main())"
    done = installed.run("python", "-c", without_torch, "train", "emonet", "--corpus", "nowhere", "--out", "runs")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "needs the offline extra" in line
    assert "pip install 'emoserve[offline]'" in line
