import io
import zipfile
from pathlib import Path

import pytest

from export.faces import sources, wheel_download
from export.faces.sources import (
    WHEEL_MEMBERS,
    FaceNetworks,
    FaceSourceError,
    best_reachable,
    choose,
    from_task,
    from_wheel,
)


def archive(**members: bytes) -> bytes:
    opened = io.BytesIO()
    with zipfile.ZipFile(opened, "w") as written:
        for name, data in members.items():
            written.writestr(name, data)
    return opened.getvalue()


@pytest.mark.parametrize(
    ("read", "data", "reason"),
    [
        (from_task, archive(model=b"no"), f"expected {sources.TASK_SHA256}"),
        *((from_wheel, data, "archive") for data in (b"", b"not an archive", archive()[:-3])),
        (from_wheel, archive(other=b""), "holds no mediapipe/modules"),
        (from_wheel, archive(**{member.name: b"changed" for member in WHEEL_MEMBERS.values()}), "sha256"),
    ],
)
def test_files_that_are_not_the_published_ones_are_refused(read, data: bytes, reason: str) -> None:
    with pytest.raises(FaceSourceError, match=reason):
        read(data)


def test_an_oversized_network_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "NETWORK_MAX_BYTES", 4)
    with pytest.raises(FaceSourceError, match="larger"):
        from_wheel(archive(**{member.name: b"12345" for member in WHEEL_MEMBERS.values()}))


def test_only_one_source_may_be_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not both"):
        choose(tmp_path, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FaceSourceError, match="face_landmarker"):
        choose(task=tmp_path / "face_landmarker.task")


def test_the_publisher_comes_first_then_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline() -> bytes:
        raise FaceSourceError("no network")

    wheel = FaceNetworks("wheel", "index", {})
    task = FaceNetworks("task", "publisher", {})
    monkeypatch.setattr(sources, "download_task", lambda: b"task")
    monkeypatch.setattr(sources, "download_wheel", lambda requirement: requirement.encode())
    monkeypatch.setattr(sources, "from_task", lambda data: task)
    monkeypatch.setattr(sources, "from_wheel", lambda data: wheel)
    assert best_reachable() is task
    monkeypatch.setattr(sources, "download_task", offline)
    assert best_reachable() is wheel


def test_without_any_source_both_reasons_and_the_way_out_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_index(requirement: str) -> bytes:
        raise OSError("no index")

    def no_publisher(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(sources, "download_wheel", no_index)
    monkeypatch.setattr(sources.urllib.request, "urlopen", no_publisher)
    with pytest.raises(FaceSourceError, match=r"no route.*no index.*--task.*--wheel"):
        best_reachable()


def test_no_installer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_download, "installers", list)
    with pytest.raises(OSError, match="neither pip nor uv"):
        wheel_download.download_wheel("nothing==1")


def test_an_installer_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing = tmp_path / "pip"
    failing.write_text("#!/bin/sh\necho 'no matching distribution' >&2\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(wheel_download, "installers", lambda: [[str(failing)]])
    with pytest.raises(OSError, match="no matching distribution"):
        wheel_download.download_wheel("nothing==1")


def test_the_wheel_that_an_installer_leaves_is_returned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    leaving = tmp_path / "pip"
    leaving.write_text(
        '#!/bin/sh\nfor word in "$@"; do\n'
        'case "$word" in --dest=*) printf wheel > "${word#--dest=}/x.whl";; esac\ndone\n'
    )
    leaving.chmod(0o755)
    monkeypatch.setattr(wheel_download, "installers", lambda: [[str(leaving)]])
    assert wheel_download.download_wheel("x==1") == b"wheel"
