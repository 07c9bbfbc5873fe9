"""New models take over from those in use while requests go on, or are refused and change nothing."""

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from export.__main__ import main as export_main
from service import loaded
from service.__main__ import main
from service.card import read_card, write_card
from service.services import Services
from service.settings import Settings
from tests.plain_wav import tone, wav
from tests.support.job_program import JobProgram
from tests.support.live_server import LiveServer
from tests.support.patience import HANG_S, wait_until
from tests.support.stream_client import StreamClient
from tests.support.tiny_services import pcm, serving_tiny
from tests.tiny_models import speech_model, speech_weights, write_speech_bundle, write_voice_bundle
from tests.unit.service.jobs.test_long_audio import talk

SOUND = wav(0.1 * np.sin(np.arange(16_000, dtype=np.float32)))


@contextmanager
def services_of_version_1(folder: Path) -> Iterator[LiveServer]:
    write_speech_bundle(folder)
    with serving_tiny(folder) as server:
        yield server


def answered(server: LiveServer) -> tuple[str, str]:
    """Version that answered, and the first label."""
    answer = httpx.post(f"{server.url}/v1/audio/emotion", content=SOUND, headers={"Content-Type": "audio/wav"})
    assert answer.status_code == 200, answer.text
    return answer.json()["model"]["version"], answer.json()["labels"][0]


def ready(server: LiveServer) -> dict[str, object]:
    return httpx.get(f"{server.url}/v2/health/ready").json()


def test_a_new_version_takes_over_and_no_request_is_lost(tmp_path: Path) -> None:
    with services_of_version_1(tmp_path) as server:
        before = server.services.loaded.pipeline
        told: list[tuple[str, str]] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                told.append(answered(server))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        write_speech_bundle(tmp_path, version="2", labels=("fear", "neutral"))
        server.services.reload()
        seen = len(told)
        wait_until(lambda: len(told) > seen + 3)
        stop.set()
        for thread in threads:
            thread.join(HANG_S)
        assert {told[0], told[-1]} == {("1", "anger"), ("2", "fear")}
        assert set(told) == {("1", "anger"), ("2", "fear")}
        assert server.services.loaded.pipeline is not before
        assert before.admission.held_s == 0
        assert (ready(server)["reloads"], ready(server)["reload_problem"]) == (1, None)
        assert 'version="2"' in httpx.get(f"{server.url}/metrics").text


def test_what_began_with_the_old_models_ends_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with services_of_version_1(tmp_path) as server:
        before = server.services.loaded.pipeline
        closed, go_on = threading.Event(), threading.Event()
        close, analyse = before.close, before.analyse

        def held(*arguments: object, **options: object) -> object:
            go_on.wait(HANG_S)
            assert not closed.is_set()
            return analyse(*arguments, **options)

        monkeypatch.setattr(before, "close", lambda: (closed.set(), close()))
        monkeypatch.setattr(before, "analyse", held)
        told: list[tuple[str, str]] = []
        asking = threading.Thread(target=lambda: told.append(answered(server)))
        asking.start()
        wait_until(lambda: sum(server.services._models._users.values()) == 1)
        monkeypatch.setattr(loaded, "_least_time_s", lambda *_: 1.0)  # of the old, it would wait here
        write_speech_bundle(tmp_path, version="2")
        reloading = threading.Thread(target=server.services.reload)
        reloading.start()
        wait_until(lambda: server.services.reloads == 1)
        assert answered(server)[0] == "2"
        assert not closed.is_set()
        go_on.set()
        for thread in (asking, reloading):
            thread.join(HANG_S)
        assert told == [("1", "anger")]
        assert closed.is_set()


def test_a_stream_that_was_broken_off_goes_on_with_the_models_it_began_with(tmp_path: Path) -> None:
    content = pcm(tone(2.0))
    with services_of_version_1(tmp_path) as server:
        before = server.services.loaded.pipeline
        first = StreamClient(server)
        session = first.begin()["id"]
        first.send(content[:32_000])
        first.break_off()
        wait_until(lambda: not any(server.services._models._users.values()))
        write_speech_bundle(tmp_path, version="2")
        reloading = threading.Thread(target=server.services.reload)
        reloading.start()
        wait_until(lambda: server.services.reloads == 1)
        assert answered(server)[0] == "2"
        with StreamClient(server) as second:
            resumed = second.resume(session, received=0)
            second.send(content[2 * resumed["received_samples"] :])
            closed = second.end()[-1]
        assert closed["type"] == "session.closed"
        assert closed["answer"]["emotion"] is not None
        reloading.join(HANG_S)
        assert not reloading.is_alive()
        assert before.admission.held_s == 0


def broken_file(folder: Path) -> None:
    (write_speech_bundle(folder, version="2") / "model.onnx").write_bytes(b"no graph")


def not_a_number(folder: Path) -> None:
    weights = speech_weights(2)
    nothing = speech_model(2).replace(weights.tobytes(), np.full_like(weights, np.nan).tobytes())
    write_speech_bundle(folder, version="2", model=nothing, runs=False)


def other_weights(folder: Path) -> None:
    weights = speech_weights(2)
    other = speech_model(2).replace(weights.tobytes(), (-weights).tobytes())
    bundle = write_speech_bundle(folder, version="2", model=other)
    told = read_card(folder / "tiny/1").check_clip
    write_card(read_card(bundle).model_copy(update={"check_clip": told}), bundle)


def nothing_left(folder: Path) -> None:
    for file in (folder / "tiny/1").iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (broken_file, "tiny/2"),
        (not_a_number, "tiny/2: its graph fails: the graph gave a number that is not finite"),
        (other_weights, "tiny/2: the 'probabilities' of its check clip differs from its card's by 0."),
        (nothing_left, "there is no model that may be served"),
    ],
)
def test_models_that_do_not_work_change_nothing(tmp_path: Path, spoil, reason: str) -> None:
    with services_of_version_1(tmp_path) as server:
        before = server.services.loaded
        spoil(tmp_path)
        server.services.reload()
        assert server.services.loaded is before
        assert answered(server) == ("1", "anger")
        told = ready(server)
        assert told["reloads"] == 1
        assert reason in str(told["reload_problem"])
        assert any(line["message"] == "the models in use stay" for line in server.log_lines())


def test_a_model_that_answers_otherwise_than_its_card_says_is_neither_pinned_nor_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_speech_bundle(tmp_path)
    monkeypatch.setenv("EMOSERVE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("EMOSERVE_MODEL_DIRS", f'["{tmp_path}"]')
    assert main(["models", "pin", "tiny:1"]) == 0
    other_weights(tmp_path)
    capsys.readouterr()
    assert main(["models", "pin", "tiny:2"]) == 1
    assert "'probabilities' of its check clip differs" in capsys.readouterr().err
    assert main(["models", "pin"]) == 0
    assert capsys.readouterr().out == "tiny:1\n"
    assert main(["check"]) == 1
    assert "FAIL  models: bundle tiny/2: the 'probabilities' of its check clip differs" in capsys.readouterr().out
    assert export_main(["check-clip", str(tmp_path / "tiny/2")]) == 0
    assert main(["models", "pin", "tiny:2"]) == 0


def test_models_that_are_too_slow_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with services_of_version_1(tmp_path) as server:
        monkeypatch.setattr(loaded, "SLOWEST", 0.0)
        write_speech_bundle(tmp_path, version="2")
        server.services.reload()
        assert "takes" in str(ready(server)["reload_problem"])
        assert answered(server)[0] == "1"


def test_before_models_are_there_nothing_is_reloaded(tmp_path: Path) -> None:
    services = Services(Settings(model_dirs=[tmp_path], jobs=False))
    services.reload()
    assert services.reload_problem is not None
    services.close()


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_job_under_way_keeps_its_model_or_fails_for_want_of_it(tmp_path: Path, is_kept: bool) -> None:
    models, settings = tmp_path / "models", {"JOB_SEGMENT_S": "4", "DECODE_WORKERS": "1"}
    first = write_speech_bundle(models)
    write_voice_bundle(models)
    with JobProgram(tmp_path / "state", f'["{models}"]', settings) as program:
        job = program.submit("audio-emotion", wav(talk(60.0)), hop_s="0.05")
        program.wait(lambda: program.state(job)["progress"] > 0.1)
        write_speech_bundle(models, version="2")
        if not is_kept:
            shutil.rmtree(first)
        program.process.send_signal(signal.SIGHUP)
        program.wait(lambda: httpx.get(f"{program.url}/v2/health/ready").json()["reloads"] == 1)
        ended = program.finished(job)
        if is_kept:
            assert program.result(job).json()["model"]["version"] == "1"
        else:
            assert (ended["state"], ended["problem"]["code"]) == ("failed", "model_not_found")


def test_the_command_has_a_running_service_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models, state = tmp_path / "models", tmp_path / "state"
    write_speech_bundle(models)
    monkeypatch.setenv("EMOSERVE_STATE_DIR", str(state))
    monkeypatch.setenv("EMOSERVE_MODEL_DIRS", f'["{models}"]')
    with JobProgram(state, f'["{models}"]') as program:
        monkeypatch.setenv("EMOSERVE_PORT", program.url.rpartition(":")[2])
        job = program.submit("audio-emotion", SOUND)
        assert program.finished(job)["state"] == "succeeded"
        write_speech_bundle(models, version="2")
        assert main(["models", "pin", "tiny:1"]) == 0
        assert main(["models", "reload"]) == 0
        assert "taken over" in capsys.readouterr().out
        assert httpx.post(f"{program.url}/v1/audio/emotion", content=SOUND).json()["model"]["version"] == "1"
        assert main(["models", "pin", "none"]) == 0
        program.process.send_signal(signal.SIGHUP)
        wait_until(lambda: httpx.get(f"{program.url}/v2/health/ready").json()["reloads"] == 2)
        assert httpx.post(f"{program.url}/v1/audio/emotion", content=SOUND).json()["model"]["version"] == "2"
        assert program.finished(program.submit("audio-emotion", SOUND))["state"] == "succeeded"
        broken_file(models)
        capsys.readouterr()
        assert main(["models", "reload"]) == 1
        assert "refused: " in capsys.readouterr().out
    assert main(["models", "reload"]) == 1
    assert "no service runs on port" in capsys.readouterr().err
