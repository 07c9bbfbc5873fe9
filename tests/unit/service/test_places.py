"""Default folders of a checkout and of an installed package."""

from pathlib import Path

import pytest

from service import places
from tests.shared_material import ROOT


def test_a_checkout_uses_its_own_folders_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert places.shipped_models() == ROOT / "models"
    assert places.prepared_models() == ROOT / "var/models"
    assert places.state_folder() == Path("var/state")


def test_an_installed_package_uses_its_own_and_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    (tmp_path / "models").mkdir()  # of somebody else: there is no source tree
    assert places.shipped_models(tmp_path) == tmp_path / "service/models"
    assert places.prepared_models(tmp_path) == Path("/home/somebody/.local/share/emoserve/models")
    assert places.state_folder(tmp_path) == Path("/home/somebody/.local/state/emoserve")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert places.prepared_models(tmp_path) == Path("/data/emoserve/models")


def test_the_newest_bundle_is_found_and_drafts_are_not(tmp_path: Path) -> None:
    for name in ("a/faces/1", "b/faces/2", "b/faces/.3.partial", "b/voice/1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "card.json").touch()
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "nowhere"]
    assert places.newest_bundle("faces", folders) == tmp_path / "b/faces/2"
    assert places.newest_bundle("none", folders) is None
