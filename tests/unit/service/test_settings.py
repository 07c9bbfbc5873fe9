"""Mistakes in the environment are told in one line before anything is served."""

from pathlib import Path

import pytest

from service.__main__ import main
from service.loaded import load
from service.registry import BundleError
from service.server import transport_security, warn_of_unread
from service.settings import OF_OTHERS, EnvironmentInvalid, Settings, check_environment, known_names
from service.telemetry.metrics import Metrics
from tests.support.certificates import Authority

MISTAKES = {
    "misspelt": ({"EMOSERVE_KEY_FILE": "keys.json"}, "EMOSERVE_KEY_FILE is no setting; EMOSERVE_KEYS_FILE is"),
    "misspelt limit": ({"EMOSERVE_LIMITS__MAX_BODY": "1"}, "EMOSERVE_LIMITS__MAX_BODY_BYTES is"),
    "empty": ({"EMOSERVE_KEYS_FILE": ""}, "EMOSERVE_KEYS_FILE is empty: leave it out, or give it a value"),
    "no list": ({"EMOSERVE_MODEL_DIRS": "models"}, "EMOSERVE_MODEL_DIRS: a setting that is a list"),
    "short secret": ({"EMOSERVE_SPOOL_KEY": "short"}, "EMOSERVE_SPOOL_KEY needs at least 32 characters"),
    "other database": ({"EMOSERVE_JOBS_DATABASE_URL": "mysql://x"}, "must begin with postgresql://"),
    "no address": ({"EMOSERVE_OTLP_ENDPOINT": "collector:4318"}, "EMOSERVE_OTLP_ENDPOINT: "),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_a_failure(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables, told = MISTAKES[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["serve"]) == 1
    written = capsys.readouterr()
    assert told in written.err
    assert written.err.count("\n") == 1
    assert written.out == ""


def test_every_setting_and_what_others_read_is_passed() -> None:
    check_environment(dict.fromkeys([*known_names(), *OF_OTHERS, "HOME"], "1"))
    check_environment({"EMOSERVE_ROOT_PATH": "", "emoserve_port": "8000", "PATH": ""})
    with pytest.raises(EnvironmentInvalid):
        check_environment({"emoserve_prot": "8000"})


def test_what_an_orchestrator_sets_is_told_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    """Kubernetes names a service's addresses after it."""
    environment = {"EMOSERVE_SERVICE_HOST": "10.0.0.7", "EMOSERVE_PORT_80_TCP_ADDR": "10.0.0.7", "EMOSERVE_HOST": "::1"}
    check_environment(environment)
    warn_of_unread(environment)
    told = [record.fields["variable"] for record in caplog.records]
    assert told == ["EMOSERVE_PORT_80_TCP_ADDR", "EMOSERVE_SERVICE_HOST"]


def test_folders_without_any_model_are_no_service(tmp_path: Path) -> None:
    settings = Settings(model_dirs=[tmp_path, tmp_path / "nowhere"])
    with pytest.raises(BundleError, match=r"there is no model that may be served in .*nowhere$"):
        load(settings, Metrics())


def test_files_of_tls_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("service")
    authorities = tmp_path / "authorities.pem"
    authorities.write_text("no certificate")
    with pytest.raises(OSError, match="no certificates of authorities") as caught:
        transport_security(Settings(ssl_certfile=certificate, ssl_keyfile=key, ssl_ca_certs=authorities))
    assert caught.value.filename == str(authorities)
    settings = Settings(ssl_certfile=certificate, ssl_keyfile=key)
    key.unlink()  # whoever runs the tests may read everything
    with pytest.raises(OSError, match="No such file") as caught:
        transport_security(settings)
    assert caught.value.filename == str(key)
