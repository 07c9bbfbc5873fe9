"""API keys: made once, stored as hashes, compared in constant time, rotated without a restart."""

import json
import logging
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from service.__main__ import main
from service.access.authenticator import ApiKeys
from service.access.key_file import KeyFile, digest_of, id_in, new_key, parse_key_file, read_key_file, write_key_file
from service.access.watched_file import FileInvalid, WatchedFile
from service.problems import Unauthenticated
from service.settings import KeyLimits
from tests.support.credentials import add_key

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def test_a_key_is_stored_as_a_hash_readable_for_its_owner_alone(path):
    key = add_key(path)
    content = path.read_text()
    assert key not in content
    assert key.split("_", 2)[2] not in content
    assert read_key_file(path).keys[0].sha256 == digest_of(key).hex()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["keys.json"]


def test_keys_are_long_and_never_the_same():
    keys = {new_key("a", ["analyse"])[0] for _ in range(50)}
    assert len(keys) == 50
    assert all(key.startswith("emo_a_") and len(key.split("_", 2)[2]) >= 43 for key in keys)


@pytest.mark.parametrize(
    "wrong", ["", "emo", "emo__x", "emo_CLINIC_x", "emo_clinic", "other_clinic_x", "emo_" + "a" * 99]
)
def test_what_is_no_key_has_no_id(wrong):
    assert id_in(wrong) is None


def test_a_key_names_its_owner_scopes_and_limits(path):
    limits = KeyLimits(requests_per_minute=3)
    key = add_key(path, "clinic-2", ("metrics:read",), owner="clinic", limits=limits)
    caller = ApiKeys(path).identify(key)
    assert (caller.key_id, caller.owner, caller.limits) == ("clinic-2", "clinic", limits)
    assert caller.may("metrics:read")
    assert not caller.may("analyse")


def test_admin_may_do_everything(path):
    caller = ApiKeys(path).identify(add_key(path, scopes=("admin",)))
    assert caller.may("analyse")
    assert caller.may("metrics:read")


def test_several_keys_are_active_at_once(path):
    first, second = add_key(path, "old", owner="clinic"), add_key(path, "new", owner="clinic")
    keys = ApiKeys(path)
    assert [keys.identify(key).key_id for key in (first, second)] == ["old", "new"]


def test_expired_keys_permit_nothing(path):
    key = add_key(path, expires_at=NOW)
    assert ApiKeys(path, now=lambda: NOW - timedelta(seconds=1)).identify(key)
    with pytest.raises(Unauthenticated):
        ApiKeys(path, now=lambda: NOW).identify(key)


def test_changes_are_in_force_at_once(path):
    first = add_key(path, "first")
    keys = ApiKeys(path)
    keys.load()
    second = add_key(path, "second")
    assert keys.identify(second).key_id == "second"
    assert main(["keys", "revoke", "first", "--file", str(path)]) == 0
    with pytest.raises(Unauthenticated):
        keys.identify(first)


def test_a_file_that_breaks_leaves_the_former_keys_in_force_and_says_so_once(path, caplog):
    key = add_key(path)
    keys = ApiKeys(path)
    keys.load()
    path.write_text("{half")
    with caplog.at_level(logging.INFO, "service"):
        assert keys.identify(key)
        assert keys.identify(key)
        path.unlink()
        assert keys.identify(key)
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    write_key_file(path, KeyFile())
    with pytest.raises(Unauthenticated):
        keys.identify(key)


def test_a_file_that_breaks_is_parsed_once(path):
    path.write_text("good")
    parsed = []

    def parse(content: bytes) -> bytes:
        parsed.append(content)
        if content != b"good":
            raise FileInvalid
        return content

    file = WatchedFile(path, parse)
    file.load()
    path.write_text("half-written")
    assert [file.current() for _ in range(3)] == [b"good"] * 3
    assert parsed == [b"good", b"half-written"]


def test_a_file_that_may_be_read_again_is_read_again(path, monkeypatch):
    path.write_text("old")
    file = WatchedFile(path, bytes)
    file.load()
    path.write_text("newer")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", Mock(side_effect=PermissionError))
        assert file.current() == b"old"
    assert file.current() == b"newer"


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"keys": [{"id": "a"}]}', '{"keys": [], "more": 1}', '{"keys": [{"id": "A B", "sha256": "x"}]}'],
)
def test_a_wrong_file_is_refused_by_one_line(content):
    with pytest.raises(FileInvalid) as caught:
        parse_key_file(content.encode())
    assert "\n" not in str(caught.value)


def test_an_id_twice_is_refused(path):
    add_key(path)
    document = json.loads(path.read_text())
    document["keys"] *= 2
    with pytest.raises(FileInvalid, match="twice"):
        parse_key_file(json.dumps(document).encode())


def test_command_makes_lists_and_revokes(path, capsys, monkeypatch):
    monkeypatch.setenv("EMOSERVE_KEYS_FILE", str(path))
    flags = ["--scopes", "analyse,metrics:read", "--owner", "clinic", "--expires", "30d", "--media-s-per-minute", "90"]
    assert main(["keys", "new", "--id", "clinic-1", *flags]) == 0
    key = capsys.readouterr().out.strip()
    caller = ApiKeys(path).identify(key)
    assert caller.limits == KeyLimits(media_s_per_minute=90)
    assert caller.owner == "clinic"
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert "clinic-1" in listed
    assert "active until" in listed
    assert key not in listed
    assert main(["keys", "revoke", "clinic-1"]) == 0
    assert main(["keys", "list"]) == 0
    assert "revoked" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["new", "--id", "Clinic"], "id"),
        (["new", "--id", "a", "--scopes", "everything"], "scopes"),
        (["new", "--id", "a", "--expires", "soon"], "soon"),
        (["new", "--id", "a", "--requests-per-minute", "0"], "requests_per_minute"),
        (["revoke", "nobody"], "nobody"),
    ],
)
def test_command_refuses_by_one_line(path, capsys, flags, says):
    add_key(path)
    assert main(["keys", *flags, "--file", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert says in error
    assert len(read_key_file(path).keys) == 1


def test_an_id_is_never_used_twice_and_the_file_must_be_named(path, capsys, monkeypatch):
    monkeypatch.delenv("EMOSERVE_KEYS_FILE", raising=False)
    add_key(path, "a")
    assert main(["keys", "revoke", "a", "--file", str(path)]) == 0
    assert main(["keys", "new", "--id", "a", "--file", str(path)]) == 2
    assert main(["keys", "list"]) == 2
