import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from service import __version__
from service.__main__ import main
from service.card import Licence, Measurement
from service.cli.serve import announce
from service.probe import PROBE_RATE_HZ, probe_samples
from tests.support.example_results import example_result
from tests.support.fakes import FakeBundle, FakeEngine, FakeWithheld, face_bundles, fake_card

Captured = pytest.CaptureFixture[str]


def measured() -> FakeBundle:
    """A bundle whose card tells its accuracy."""
    measurement = Measurement(
        metric="unweighted_average_recall",
        value=0.6521,
        interval_95=(0.63, 0.67),
        data="EXAMPLE",
        split="test",
        n=100,
        protocol="speakers held out",
    )
    return FakeBundle(fake_card().model_copy(update={"measurements": [measurement]}))


def test_models_as_a_table(engine: FakeEngine, capsys: Captured) -> None:
    licence = Licence(spdx="CC-BY-NC-4.0", commercial_use=False)
    other = FakeBundle(fake_card("other-emotion").model_copy(update={"licence": licence}))
    engine.registry.bundles, engine.registry.withheld = (measured(), other), (FakeWithheld(),)
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    default = next(line for line in lines if "example" in line)
    assert default.startswith("*")
    assert "UAR 0.652 [0.630, 0.670] EXAMPLE test" in default
    second = next(line for line in lines if "other-emotion" in line)
    assert not second.startswith("*")
    assert "not commercial" in second
    assert "withheld: restricted 1: Its licence forbids commercial use." in lines


def test_models_as_json(engine: FakeEngine, capsys: Captured) -> None:
    engine.registry.bundles, engine.registry.withheld = (measured(),), (FakeWithheld(),)
    assert main(["models", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (model,) = document["models"]
    assert model["default"] is True
    assert model["card"]["measurements"][0]["value"] == 0.6521
    assert document["withheld"][0]["name"] == "restricted"


def test_no_models_is_a_failure(engine: FakeEngine, capsys: Captured) -> None:
    engine.registry.bundles = ()
    assert main(["models"]) == 1
    assert "no models" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["models"], ["analyze", __file__]])
def test_wrong_bundle_is_one_line(engine: FakeEngine, capsys: Captured, command: list[str]) -> None:
    engine.bundle_error = "models/x/1: model.onnx has another sha256 than its card says"
    assert main(command) == 1
    assert capsys.readouterr().err == f"emoserve: {engine.bundle_error}\n"


def test_wrong_setting_is_one_line(engine: FakeEngine, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOSERVE_LIMITS__MAX_CHANNELS", "many")
    assert main(["models"]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("emoserve: EMOSERVE_LIMITS__MAX_CHANNELS: ")
    assert errors.count("\n") == 1
    monkeypatch.delenv("EMOSERVE_LIMITS__MAX_CHANNELS")
    monkeypatch.setenv("EMOSERVE_MODEL_DIRS", "models")
    assert main(["models"]) == 1
    assert "EMOSERVE_MODEL_DIRS: " in capsys.readouterr().err


def checks(capsys: Captured) -> dict[str, dict[str, object]]:
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] == all(check["ok"] for check in document["checks"])
    return {check["name"]: check for check in document["checks"]}


def sound(probabilities: list[float] | None):
    result = example_result(1, ("anger", "neutral"), gaps=() if probabilities else ((0, 1),))
    if probabilities:
        result.channels[0].probabilities[:] = probabilities
    return lambda data, options: result


def test_check_of_a_sound_installation(engine: FakeEngine, capsys: Captured) -> None:
    engine.pipeline.answer = sound([0.25, 0.75])
    assert main(["check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "ok    jobs", "ok    bundle example/1", "ok    sandbox", "ok    provider", "ok    model example/1",
        "ok    faces",
    ]  # fmt: skip
    engine.pipeline.answer = sound(None)
    assert main(["check", "--json"]) == 0
    assert "no speech" in checks(capsys)["model example/1"]["detail"]


def test_check_of_a_wrong_bundle_still_tries_the_sandbox(engine: FakeEngine, capsys: Captured) -> None:
    engine.bundle_error = "models/x/1: card.json is not valid"
    assert main(["check", "--json"]) == 1
    found = checks(capsys)
    assert found["bundles"] == {"name": "bundles", "ok": False, "detail": engine.bundle_error}
    assert found["sandbox"]["ok"]
    assert not found["models"]["ok"]


def test_check_without_a_speech_model(engine: FakeEngine, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOSERVE_MODEL_DIRS", '["models", "var/models"]')
    engine.registry.bundles = ()
    assert main(["check"]) == 1
    assert "FAIL  bundles: there is no speech model in models, var/models" in capsys.readouterr().out


def test_check_of_faces(engine: FakeEngine, capsys: Captured) -> None:
    engine.pipeline.answer = sound([0.25, 0.75])
    _, face, _, _ = engine.registry.bundles = face_bundles()
    assert main(["check", "--json"]) == 0
    found = checks(capsys)
    assert (found["model tiny-affect/1"]["ok"], found["faces"]["detail"]) == (True, "the networks ran")
    engine.registry.bundles = tuple(bundle for bundle in engine.registry.bundles if bundle is not face)
    assert main(["check", "--json"]) == 0
    assert "emoserve setup" in checks(capsys)["faces"]["detail"]
    engine.affect.fault = "a face or affect graph fails"
    assert main(["check", "--json"]) == 1
    assert checks(capsys)["faces"] == {"name": "faces", "ok": False, "detail": engine.affect.fault}


def test_check_of_jobs(engine: FakeEngine, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine.pipeline.answer = sound([0.25, 0.75])
    monkeypatch.setenv("EMOSERVE_STATE_DIR", str(tmp_path / "state"))
    assert main(["check", "--json"]) == 0
    assert checks(capsys)["jobs"]["detail"] == f"{tmp_path / 'state'} can be written to"
    assert list((tmp_path / "state").iterdir()) == []
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMOSERVE_SPOOL_DIR", str(tmp_path / "file"))
    assert main(["check", "--json"]) == 1
    assert checks(capsys)["jobs"]["detail"] == f"{tmp_path / 'file'}: File exists"
    monkeypatch.setenv("EMOSERVE_JOBS", "false")
    assert main(["check", "--json"]) == 0
    assert checks(capsys)["jobs"]["detail"] == "switched off"
    monkeypatch.setenv("EMOSERVE_JOBS", "true")
    monkeypatch.delenv("EMOSERVE_SPOOL_DIR")
    monkeypatch.setenv("EMOSERVE_JOBS_DATABASE_URL", "postgresql://clinic:word-of-a-secret@127.0.0.1:9/jobs")
    assert main(["check", "--json"]) == 1
    detail = checks(capsys)["jobs"]["detail"]
    assert "OperationalError" in detail
    assert "secret" not in detail


def test_check_of_a_decoder_that_alters_samples(engine: FakeEngine, capsys: Captured) -> None:
    engine.decoder.gain = 0.5
    assert main(["check", "--json"]) == 1
    assert not checks(capsys)["sandbox"]["ok"]


def test_check_of_a_decoder_without_processes(engine: FakeEngine, capsys: Captured) -> None:
    engine.decoder.pids = []
    assert main(["check", "--json"]) == 1
    assert "process" in checks(capsys)["sandbox"]["detail"]


@pytest.mark.parametrize("probabilities", [[0.9, 0.9], [float("nan"), 0.5]])
def test_check_of_a_model_that_gives_nonsense(engine: FakeEngine, capsys: Captured, probabilities: list[float]) -> None:
    engine.pipeline.answer = sound(probabilities)
    assert main(["check", "--json"]) == 1
    assert not checks(capsys)["model example/1"]["ok"]


def test_check_of_other_weights_than_listed(engine: FakeEngine, capsys: Captured) -> None:
    engine.pipeline.answer = sound([0.5, 0.5])
    engine.registry.bundles = (FakeBundle(sha256="cd" * 32),)
    assert main(["check", "--json"]) == 1
    assert checks(capsys)["model example/1"]["detail"] == "ValueError: other weights answered"


def test_check_tells_a_bug_in_a_line(engine: FakeEngine, capsys: Captured) -> None:
    def broken(data: bytes, options: object):
        raise ZeroDivisionError("a\nb")

    engine.pipeline.answer = broken
    assert main(["check"]) == 1
    assert "\nFAIL  model example/1: ZeroDivisionError: a b\n" in capsys.readouterr().out


def test_probe_is_loud_and_unclipped() -> None:
    samples = probe_samples()
    assert samples.dtype == np.float32
    assert len(samples) == 3 * PROBE_RATE_HZ
    assert 0.2 < np.abs(samples).max() < 1


def fake_module(monkeypatch: pytest.MonkeyPatch, name: str, **members: object) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    monkeypatch.setitem(sys.modules, name, module)


def test_openapi_prints_the_document(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    app = types.SimpleNamespace(openapi=lambda: {"openapi": "3.1.0", "info": {"title": "Gefühle"}})
    fake_module(monkeypatch, "service.app", create_app=lambda settings: app)
    assert main(["openapi"]) == 0
    output = capsys.readouterr().out
    assert json.loads(output)["openapi"] == "3.1.0"
    assert "Gefühle" in output


def test_serve_gives_flags_to_the_server(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    served = []

    def serve(settings, *, on_ready) -> int:
        served.append(settings)
        on_ready(f"http://{settings.host}:{settings.port}")
        return 7

    fake_module(monkeypatch, "service.server", serve=serve)
    monkeypatch.setenv("EMOSERVE_PORT", "9000")
    flags = ["--host=0.0.0.0", "--device=cpu", "--log-level=error", "--model-dir=a", "--model-dir=b"]
    assert main(["serve", *flags]) == 7
    (settings,) = served
    assert (settings.host, settings.port, settings.device, settings.log_level) == ("0.0.0.0", 9000, "cpu", "error")
    assert [str(folder) for folder in settings.model_dirs] == ["a", "b"]
    assert main(["serve", "--port", "9001"]) == 7
    assert served[1].port == 9001
    assert capsys.readouterr().out.startswith("Emoserve is ready on http://127.0.0.1:9000\n")


def test_serve_refuses_a_port_that_is_none(capsys: Captured) -> None:
    assert main(["serve", "--port", "70000"]) == 1
    assert capsys.readouterr().err.startswith("emoserve: EMOSERVE_PORT: ")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000"),
        ("http://[::]:80", "http://[::1]:80"),
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
    ],
)
def test_announcement_can_be_pasted(address: str, shown: str, capsys: Captured) -> None:
    announce(address)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(shown)
    assert [line.split()[0] for line in lines[1:]] == ["curl", "curl"]
    assert all(f"{shown}/v1/audio/emotion" in line for line in lines[1:])


def test_version_and_missing_command(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert __version__ in capsys.readouterr().out
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == 2
