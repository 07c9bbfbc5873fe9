"""The audit log: one line a request, appended, and what happens when it cannot be written."""

import io
import json
import logging
import stat

import httpx
import pytest

from service.telemetry.audit import AuditEntry, AuditLog
from tests.support.credentials import add_key
from tests.support.live_server import serving, small_settings
from tests.support.patience import wait_until

FIELDS = {
    *("ts", "request_id", "key_id", "action", "route", "status", "code"),
    *("models", "body_bytes", "media_s", "latency_s"),
}


def entry(number: int = 0) -> AuditEntry:
    return AuditEntry(request_id=f"r{number}", key_id="k", action="a", route="/r", status=200, code="ok")


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_are_appended_to_a_file_for_its_owner_alone(tmp_path):
    path = tmp_path / "audit.jsonl"
    path.write_text('{"earlier": 1}\n')
    path.chmod(0o600)
    log = AuditLog(str(path))
    log.open()
    log.write(entry())
    log.close()
    assert lines(path)[0] == {"earlier": 1}
    assert set(lines(path)[1]) == FIELDS
    fresh = AuditLog(str(tmp_path / "fresh"))
    fresh.open()
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o600
    fresh.close()


def test_a_rotated_file_is_made_anew(tmp_path):
    path = tmp_path / "audit.jsonl"
    log = AuditLog(str(path))
    log.write(entry(1))
    path.rename(tmp_path / "audit.1")
    log.write(entry(2))
    log.close()
    assert [line["request_id"] for line in lines(tmp_path / "audit.1") + lines(path)] == ["r1", "r2"]


def test_standard_output(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    AuditLog("-").write(entry())
    assert json.loads(stream.getvalue())["request_id"] == "r0"


def test_none_is_silent_and_never_a_problem():
    log = AuditLog(None)
    log.open()
    log.write(entry())
    assert log.problem() is None


def test_a_file_that_cannot_be_opened_is_told_at_the_start(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        AuditLog(str(tmp_path / "nowhere" / "audit")).open()


def test_failure_is_logged_once_and_ends_by_itself(tmp_path, caplog):
    folder = tmp_path / "folder"
    log = AuditLog(str(folder / "audit"), required=True)
    with caplog.at_level(logging.ERROR, "service"):
        log.write(entry())
        log.write(entry())
    assert len(caplog.records) == 1
    assert log.problem().code == "audit_unavailable"
    folder.mkdir()
    log.write(entry())
    assert log.problem() is None
    log.close()


def test_requests_are_written_with_who_and_what(tmp_path):
    keys, path = tmp_path / "keys.json", tmp_path / "audit.jsonl"
    key = add_key(keys)
    with serving(small_settings(keys_file=keys, audit_file=str(path))) as live:
        headers = {"authorization": f"Bearer {key}"}
        for address in ("/v2/health/live", "/", "/favicon.ico", "/page/icon.svg"):  # nobody's data
            httpx.get(live.url + address, headers=headers)
        httpx.post(f"{live.url}/v1/audio/emotion", content=b"RIFF", headers=headers)
        httpx.get(f"{live.url}/metrics", headers=headers)
        httpx.get(f"{live.url}/v1/models")
        wait_until(lambda: len(lines(path)) >= 3)
    done, forbidden, unknown = lines(path)
    assert all(set(line) == FIELDS for line in (done, forbidden, unknown))
    assert (done["key_id"], done["action"], done["status"]) == ("clinic", "analyse_audio_emotion", 200)
    assert (done["body_bytes"], done["media_s"]) == (4, 2.0)
    assert done["models"] == ["example/1@" + "ab" * 32]
    assert (forbidden["key_id"], forbidden["route"], forbidden["code"]) == ("clinic", "/metrics", "forbidden")
    assert (unknown["key_id"], unknown["action"], unknown["status"]) == ("anonymous", "list_models", 401)


def test_nothing_is_done_while_lines_are_required_and_cannot_be_written(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with serving(small_settings(audit_file=str(folder / "audit"), audit_required=True)) as live:
        post = f"{live.url}/v1/audio/emotion"
        assert httpx.post(post, content=b"RIFF").status_code == 200
        folder.rename(tmp_path / "away")
        httpx.post(post, content=b"RIFF")
        wait_until(lambda: live.services.audit.problem() is not None)
        refused = httpx.post(post, content=b"RIFF")
        assert (refused.status_code, refused.json()["code"]) == (503, "audit_unavailable")
        assert refused.headers["retry-after"]
        assert httpx.get(f"{live.url}/v2/health/live").status_code == 200
        folder.mkdir()
        httpx.post(post, content=b"RIFF")
        wait_until(lambda: live.services.audit.problem() is None)
        assert httpx.post(post, content=b"RIFF").status_code == 200
