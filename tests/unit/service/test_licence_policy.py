"""Weights under a research licence, from training to refusal: the commercial policy serves nothing of them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from export.__main__ import main as export
from export.features.extractors import OPENSMILE_LICENCE
from export.features.files import read_table, write_table
from service.__main__ import main as serve
from service.card import read_card
from service.services import Services
from tests.plain_wav import tone, wav
from tests.support.live_server import LiveServer, serving, small_settings
from tests.support.small_corpus import write_small_corpus
from tests.tiny_models import write_speech_bundle

NAME = "learnt-from-opensmile"


def command(*words: object) -> int:
    return export(list(map(str, words)))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose classifier was trained behind features under openSMILE's licence, and one without any limit.

    openSMILE itself is a program that no graph holds. What a graph can hold is a network that was made of its
    features; the table's origin says so, and the licence goes from there to head, bundle and card.
    """
    folder = tmp_path_factory.mktemp("policy")
    corpus = write_small_corpus(folder / "small")
    network = write_speech_bundle(folder / "networks", "tiny", max_length_s=2.0)
    write_speech_bundle(folder / "models", "free")
    table = folder / "features.parquet"
    words = ("features", "--model", network, "--corpus", corpus, "--data-licence", "CC0-1.0", "--out", table)
    assert command(*words) == 0
    found = read_table(table)
    backbone = found.origin.backbones[0].model_copy(update={"licence": OPENSMILE_LICENCE})
    object.__setattr__(found, "origin", found.origin.model_copy(update={"backbones": [backbone]}))
    write_table(found, table)
    assert command("train", "deep-spectrum", "--features", table, "--strength", 1e-3, "--out", folder / "head") == 0
    words = ("export", "deep-spectrum", "--head", folder / "head", "--extractor", network, "--name", NAME)
    assert command(*words, "--out", folder / "models") == 0
    return folder / "models"


@pytest.fixture
def live(models: Path) -> Iterator[LiveServer]:
    settings = small_settings(model_dirs=[models], licence_policy="commercial")
    with serving(settings, Services(settings)) as server:
        yield server


def test_the_licence_is_on_the_card_and_is_told_where_it_is_made(models: Path, capsys: pytest.CaptureFixture) -> None:
    licence = read_card(models / NAME / "1").licence
    assert (licence.spdx, licence.commercial_use) == ("LicenseRef-openSMILE-research", False)
    assert "audEERING" in licence.attribution
    head = models.parent / "head"
    words = ("export", "deep-spectrum", "--head", head, "--extractor", models.parent / "networks/tiny/1")
    assert command(*words, "--out", models.parent / "again", "--name", NAME) == 0
    assert "(licence LicenseRef-openSMILE-research, not for commercial use)" in capsys.readouterr().out


def test_a_commercial_service_refuses_it_by_name_and_says_why(live: LiveServer) -> None:
    sound = {"content": wav(tone(1.0)), "headers": {"content-type": "audio/wav"}}
    with httpx.Client(base_url=live.url, timeout=30) as client:
        while client.get("/v2/health/ready").status_code != 200:
            pass
        for call in ("emotion", "embedding"):
            answer = client.post(f"/v1/audio/{call}", params={"model": NAME}, **sound)
            assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")
            assert "LicenseRef-openSMILE-research forbids commercial use" in answer.json()["detail"]
        listed = client.get("/v1/models").json()
        assert [entry["name"] for entry in listed["withheld"]] == [NAME]
        assert [entry["card"]["name"] for entry in listed["models"]] == ["free"]
        assert client.post("/v1/audio/emotion", **sound).json()["model"]["name"] == "free"
        unknown = client.post("/v1/audio/emotion", params={"model": "never-was"}, **sound).json()
        assert unknown["detail"] == "Models of the task 'speech-emotion': free 1."


def test_the_commands_name_the_licence(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("EMOSERVE_MODEL_DIRS", f'["{models}"]')
    assert serve(["models", "--licence-policy", "commercial"]) == 0
    assert f"withheld: {NAME} 1: the licence LicenseRef-openSMILE-research" in " ".join(capsys.readouterr().out.split())
    assert serve(["models"]) == 0
    assert "LicenseRef-openSMILE-research (not commercial)" in " ".join(capsys.readouterr().out.split())
    sound = tmp_path / "tone.wav"
    sound.write_bytes(wav(tone(1.0)))
    words = ["analyze", str(sound), "--model", NAME, "--mode", "audio", "--licence-policy", "commercial"]
    assert serve(words) != 0
    assert "LicenseRef-openSMILE-research forbids commercial use" in capsys.readouterr().err


def test_it_cannot_be_the_default_of_a_commercial_service(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("EMOSERVE_MODEL_DIRS", f'["{models}"]')
    monkeypatch.setenv("EMOSERVE_DEFAULT_MODEL", NAME)
    assert serve(["models", "--licence-policy", "commercial"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "LicenseRef-openSMILE-research forbids commercial use" in line
