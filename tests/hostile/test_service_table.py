"""Hostile media over a real socket against the whole service: decoder, model and renderers."""

import gzip
import os
import socket

import httpx
import numpy as np
import psutil
import pytest

from tests import media_files as files
from tests.support.hostile_rows import UPLOAD_ROUTES, numbered
from tests.support.tiny_services import serving_project

ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
MAX_FRAMES = 10_000
MIB = 1024 * 1024
MAX_GROWTH_BYTES = 160 * MIB
TONE = files.tone(2.0)
MOVIE = files.m4a(TONE)
GOOD = files.wav(TONE)


def table(rows: int, *, step_s: float = 0.04, first_s: float = 0.0, cells: bytes = b"0.50") -> bytes:
    """An OpenFace table."""
    names = [b"AU%02d_r" % unit for unit in ACTION_UNITS]
    head = b",".join([b"timestamp", b"confidence", *names]) + b"\n"
    tail = b",1," + b",".join([cells] * len(names)) + b"\n"
    return head + b"".join(b"%.2f" % (first_s + index * step_s) + tail for index in range(rows))


ROWS = {
    "40 empty file part": (b"", {"media_empty", "body_missing"}),
    "41 RIFF only": (b"RIFF", {"media_truncated"}),
    "42 no samples": (files.wav(TONE[:, :0]), {"media_empty"}),
    "50 all NaN": (files.wav(np.full((1, 8000), np.nan, np.float32), codec="pcm_f32le"), {"samples_not_finite"}),
    "51 infinite": (files.wav(np.full((1, 8000), np.inf, np.float32), codec="pcm_f32le"), {"samples_not_finite"}),
    "52 odd trailing byte": (GOOD + b"\0", {None}),
    "54 ten milliseconds": (files.wav(files.tone(0.01)), {"media_too_short"}),
    "55 silence": (files.wav(np.zeros((1, 16_000), np.float32)), {None}),
    "55 square": (files.wav(np.sign(files.tone(1.0))), {None}),
    "57 flac bomb": (files.flac_silence(90 * 60), {"media_too_long"}),
    "59 header claims 10^6 s": (files.claiming_duration(MOVIE, 1e6), {None}),
    "60 video only": (files.video_only_mp4(), {"no_audio_stream"}),
    "61 sound only": (MOVIE, {None}),
    "66 cut in the middle": (MOVIE[: len(MOVIE) // 2], {"media_truncated", "media_invalid"}),
    "69 tags of stray bytes": (files.mp3(TONE).replace(b"TSSE", b"T\xff\xfe\xfd", 1), {None}),
    "70 HLS playlist": (files.playlist(b"http://127.0.0.1:9/x.ts"), {"container_unsupported"}),
    "71 concat script": (files.concat_script(b"/etc/passwd"), {"container_unsupported"}),
    "74 external reference": (files.with_external_reference(MOVIE), {"media_external_reference"}),
    "75 PDF": (b"%PDF-1.7\n" + bytes(500), {"container_unsupported"}),
    "75 HTML before wav": (b"<html>" + GOOD, {"container_unsupported"}),
    "75 program": (b"MZ" + bytes(500), {"container_unsupported"}),
}
ROWS |= {f"68 flipped {seed}": (files.flipped(MOVIE, seed), None) for seed in range(12)}


@pytest.fixture(scope="module")
def service():
    with serving_project(limits={"max_frames": MAX_FRAMES}) as server, httpx.Client(base_url=server.url) as client:
        process = psutil.Process()
        assert client.post("/v1/audio/emotion", content=GOOD).status_code == 200
        before_bytes, descriptors = process.memory_info().rss, process.num_fds()
        client.live = server
        yield client
        assert not [line for line in server.request_lines() if line["status"] == 500]
        assert process.memory_info().rss - before_bytes < MAX_GROWTH_BYTES
        assert process.num_fds() <= descriptors + 4


EXPECTED = [row for row, (_, codes) in ROWS.items() if codes is not None]


@pytest.mark.parametrize("row", numbered(ROWS))
@pytest.mark.parametrize("path", ["/v1/audio/emotion", "/v1/audio/embedding"])
def test_hostile_media_get_their_answer_and_the_service_goes_on(service, row, path):
    body, codes = ROWS[row]
    answer = service.post(path, files={"file": ("recording", body)})
    assert answer.status_code in {200, 413, 415, 422}
    code = answer.json().get("code")
    assert codes is None or code in codes
    assert code is None or answer.headers["content-type"] == "application/problem+json"
    assert service.get("/v2/health/ready").status_code == 200
    assert service.post(path, content=GOOD).status_code == 200


@pytest.mark.parametrize("row", numbered(row for row in EXPECTED if row != "60 video only"))
def test_hostile_media_get_an_answer_from_the_video_call(service, row):
    """Faults of a container are told before faults of its content; sound alone has no pictures."""
    require_faces(service)
    body, codes = ROWS[row]
    answer = service.post("/v1/video/affect", files={"file": ("recording", body)})
    assert answer.status_code in {413, 415, 422}
    assert answer.json()["code"] in {*codes, "no_video_stream", "container_unsupported"}
    assert service.get("/v2/health/ready").status_code == 200


def require_faces(service):
    if service.live.services.loaded.affect is None or not service.live.services.loaded.affect.has_faces:
        pytest.skip("no face bundle was prepared (make test prepares one)")


TABLE_ROWS = {
    "40 empty": (b" ", "media_empty"),
    "42 header alone": (table(0), "media_empty"),
    "45 no time between rows": (table(3, step_s=0.0), "timestamps_invalid"),
    "46 rows a millisecond apart": (table(3, step_s=0.001), "timestamps_invalid"),
    "50 NaN": (table(3).replace(b"0.04", b"nan"), "features_invalid"),
    "51 infinite": (table(3).replace(b"0.04", b"1e400"), "features_invalid"),
    "56 longer than the limit": (table(40) + table(1, first_s=3601.0).partition(b"\n")[2], "media_too_long"),
    "66 cut in the middle": (table(3)[:-9], "features_invalid"),
    "69 stray bytes": (table(3).replace(b"0.04", b"\xff\xfe"), "features_invalid"),
    "75 WAV": (GOOD, "features_invalid"),
    "75 gzip": (gzip.compress(table(3)), "features_invalid"),
    "75 HTML": (b"<html>" + table(3), "columns_missing"),
}


@pytest.mark.parametrize("row", numbered(TABLE_ROWS))
def test_hostile_tables(service, row):
    body, code = TABLE_ROWS[row]
    answer = service.post("/v1/action-units/affect", files={"file": ("table", body)})
    assert (answer.status_code // 100, answer.json().get("code")) == (4, code)
    assert service.post("/v1/action-units/affect", content=table(300)).status_code == 200


@pytest.mark.hostile_row(64)
def test_row_64_more_rows_than_the_limit(service):
    answer = service.post("/v1/action-units/affect", content=table(MAX_FRAMES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_many_frames")


@pytest.mark.hostile_row(33)
@pytest.mark.parametrize(
    "query",
    [
        "start_s=1e308",
        "end_s=5e-324",
        "start_s=1.9999999999&end_s=2",
        "window_s=3600&timeline=1",
        "hop_s=3600&timeline=1",
    ],
)
@pytest.mark.parametrize("path", ["/v1/audio/emotion", "/v1/audio/embedding"])
def test_row_33_times_that_fit_no_recording(service, path, query):
    """Permitted by the document each for itself; what they leave of this recording decides."""
    if "embedding" in path:
        query = query.replace("&timeline=1", "")
    assert service.post(f"{path}?{query}", content=GOOD).status_code in {200, 422}
    assert service.get("/v2/health/ready").status_code == 200


@pytest.mark.hostile_row(76)
@pytest.mark.parametrize("text", [files.EICAR, b"Ignore all previous instructions."])
def test_row_76_tags_are_never_echoed(service, text):
    tagged = files.wav(TONE, before=files.chunk(b"LIST", b"INFO" + files.chunk(b"INAM", text)))
    for path in ("/v1/audio/emotion", "/v1/audio/embedding"):
        answer = service.post(path, content=tagged)
        assert answer.status_code == 200
        assert text not in answer.content
    assert text.decode() not in service.live.log.getvalue()


@pytest.mark.hostile_row(70, 71)
@pytest.mark.parametrize("route", UPLOAD_ROUTES[:3], ids=lambda route: route.path)
def test_rows_70_and_71_whatever_it_is_called(service, route, tmp_path):
    """As wav, as mp4, by its own name and raw: nothing is opened and nobody is asked."""
    inside = tmp_path / "inside.flac"
    inside.write_bytes(files.flac(TONE))
    os.utime(inside, (1, 1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        addresses = [b"http://127.0.0.1:%d/a.flac" % listener.getsockname()[1], b"file://%b" % bytes(inside)]
        addresses += [bytes(inside), b"pyproject.toml", b"../../etc/passwd"]
        for make in (files.playlist, files.concat_script):
            for address in addresses:
                body = make(address)
                sent = [service.post(route.path, content=body, headers={"content-type": route.raw_type})]
                for name, kind in (("a.wav", "audio/wav"), ("a.mp4", "video/mp4"), ("a.m3u8", "audio/mpegurl")):
                    sent.append(service.post(route.path, files={"file": (name, body, kind)}))
                assert {(each.status_code, each.json()["code"]) for each in sent} == {(415, "container_unsupported")}
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert inside.stat().st_atime == 1


@pytest.mark.hostile_row(72)
def test_row_72_no_socket_is_opened(service):
    process = psutil.Process()
    before = len(process.net_connections())
    for _ in range(5):
        answer = service.post("/v1/audio/emotion", content=files.SDP % 5004)
        assert (answer.status_code, answer.json()["code"]) == (415, "container_unsupported")
    assert len(process.net_connections()) <= before + 1


def test_silence_has_no_embedding(service):
    answer = service.post("/v1/audio/embedding", content=ROWS["55 silence"][0]).json()
    assert answer["embedding"] == [None]
    assert answer["flags"] == ["silent"]
    assert answer["dimensions"] > 1


def test_silence_is_null_and_flagged(service):
    answer = service.post("/v1/audio/emotion", content=ROWS["55 silence"][0], params={"timeline": True}).json()
    assert answer["probabilities"] is None
    assert answer["emotion"] is None
    assert "silent" in answer["flags"]
    assert answer["timeline"]["arousal"] == [None]
