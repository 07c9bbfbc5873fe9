"""The calls about faces over a real socket: shapes, negotiation, parameters, and what is not prepared."""

import csv
import io
import re
from collections.abc import Iterator

import httpx
import pytest
from fhir.resources.bundle import Bundle
from PIL import Image

from service.api.answer_query import AnswerQuery
from service.api.answers import ANSWER_MEDIA_TYPES
from service.loaded import Loaded
from service.pipeline.affect.columns import COLUMNS
from service.pipeline.face.unit_scale import ACTION_UNITS
from service.render.video_json import UNCERTAINTIES
from service.schemas.video import VideoAffectAnswer
from service.services import Services
from tests.support.fakes import FakeDecoder, FakePipeline, FakeRegistry, FakeVideoPipeline
from tests.support.live_server import LiveServer, serving, small_settings

VIDEO, TABLE = "/v1/video/affect", "/v1/action-units/affect"
MP4 = {"content": b"\0\0\0\x18ftyp", "headers": {"content-type": "video/mp4"}}
CSV = {"content": b"frame,timestamp", "headers": {"content-type": "text/csv"}}
CALLS = [(VIDEO, MP4), (TABLE, CSV)]


@pytest.mark.parametrize(("address", "send"), CALLS)
def test_json_answer(client: httpx.Client, address: str, send: dict) -> None:
    response = client.post(address, params={"include": "attribution,action_units"}, **send)
    assert response.status_code == 200
    answer = VideoAffectAnswer.model_validate(response.json())
    assert answer.request_id == response.headers["x-request-id"]
    assert answer.timeline.time_s[:2] == [0.0, 0.1]
    lengths = {len(column) for name, column in answer.timeline if column is not None}
    assert lengths == {40}
    assert answer.timeline.arousal[10:20] == [None] * 10
    assert answer.action_units is not None
    assert list(answer.action_units) == list(ACTION_UNITS)
    assert answer.attribution is not None
    assert answer.attribution.features == list(COLUMNS)
    assert sum(map(sum, answer.attribution.arousal)) == pytest.approx(sum(answer.attribution.arousal_by_feature))
    assert answer.models["affect"].name == "affect-prior"
    assert "face_lost" in answer.flags
    stages = re.findall(r"(\w+);dur=", response.headers["server-timing"])
    assert stages == ["upload", "decode", "faces", "affect", "post", "render", "total"]


@pytest.mark.parametrize(("address", "send"), CALLS)
def test_fhir_answer(client: httpx.Client, address: str, send: dict) -> None:
    headers = {**send["headers"], "accept": "application/fhir+json; fhirVersion=5.0"}
    response = client.post(address, content=send["content"], headers=headers)
    assert response.status_code == 200
    bundle = Bundle.model_validate_json(response.content)
    assert bundle.identifier.value == response.headers["x-request-id"]
    found = {entry.resource.code.text for entry in bundle.entry if entry.resource.get_resource_type() == "Observation"}
    assert {"Arousal of the face", "Valence of the face"} <= found


def test_parts_are_left_out_unless_asked_for(client: httpx.Client) -> None:
    assert not {"action_units", "attribution", "audio"} & set(client.post(VIDEO, **MP4).json())
    audio = client.post(VIDEO, params={"include": "audio"}, **MP4).json()["audio"]
    assert len(audio["labels"]) == len(audio["probabilities"])


@pytest.mark.parametrize(("address", "send"), CALLS)
def test_multipart_and_plain_bytes(client: httpx.Client, live: LiveServer, address: str, send: dict) -> None:
    assert client.post(address, files={"file": ("a", b"content", "x/y")}).status_code == 200
    assert live.affect.seen[-1][0] == b"content"
    plain = {"content-type": "application/octet-stream"}
    assert client.post(address, content=b"other", headers=plain).status_code == 200
    assert live.affect.seen[-1][0] == b"other"


@pytest.mark.parametrize(("address", "content_type"), [(VIDEO, "text/csv"), (TABLE, "video/mp4"), (TABLE, "text/csv2")])
def test_other_content_types_are_refused(client: httpx.Client, address: str, content_type: str) -> None:
    response = client.post(address, content=b"x", headers={"content-type": content_type})
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_content_type")


@pytest.mark.parametrize(("address", "send"), CALLS)
def test_csv_and_png(client: httpx.Client, address: str, send: dict) -> None:
    def post(accept: str, include: str) -> httpx.Response:
        headers = send["headers"] | {"accept": accept}
        return client.post(address, params={"include": include}, content=send["content"], headers=headers)

    table = post("text/csv", "action_units")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(table.text)))
    assert rows[0][-3:] == ["flags", *UNCERTAINTIES]
    assert set(ACTION_UNITS) < set(rows[0])
    assert len(rows) == 41
    pictures = {post("image/png", include).content for include in ("", "action_units", "attribution")}
    assert len(pictures) == 3
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert b">Which action units drove this recording<" in post("image/svg+xml", "attribution").content
    assert post("application/pdf", "action_units,attribution").content.count(b"/MediaBox") == 2
    assert post("audio/wav", "").status_code == 406


@pytest.mark.parametrize(
    ("accept", "part"),
    [
        ("text/csv", "attribution"),
        ("text/csv", "frame_units"),
        ("image/png", "boxes"),
        ("image/svg+xml", "boxes"),
        ("application/pdf", "frame_units"),
        ("image/png", "frame_units"),
        ("application/fhir+json", "attribution"),
        ("application/fhir+json; fhirVersion=5.0", "boxes"),
    ],
)
def test_what_an_answer_cannot_carry_is_refused(client: httpx.Client, accept: str, part: str) -> None:
    headers = MP4["headers"] | {"accept": accept}
    response = client.post(VIDEO, params={"include": f"action_units,{part}"}, content=MP4["content"], headers=headers)
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    assert f"cannot carry {part}." in response.json()["detail"]


@pytest.mark.parametrize("face", ["at:0.5,0.25", "at:0,1", "at:1.0,0.000001"])
def test_a_face_is_chosen_by_its_place(client: httpx.Client, live: LiveServer, face: str) -> None:
    assert client.post(VIDEO, params={"face": face}, **MP4).status_code == 200
    assert live.affect.seen[-1][1].face == face
    refused = client.post(TABLE, params={"face": face}, **CSV)
    assert (refused.status_code, refused.json()["code"]) == (422, "config_invalid")


def test_every_face_is_told_as_far_as_a_form_has_room(client: httpx.Client) -> None:
    def post(accept: str, face: str) -> httpx.Response:
        query = {"face": face, "include": "action_units"}
        return client.post(VIDEO, params=query, content=MP4["content"], headers=MP4["headers"] | {"accept": accept})

    answer = post("application/json", "all").json()
    assert [one["face"] for one in answer["faces"]] == [0, 1]
    for one in answer["faces"]:
        assert one.keys() == {
            *("face", "start_s", "end_s", "timeline", "summary", "flags", "flag_spans", "action_units")
        }
        assert one["timeline"] == {name: answer["timeline"][name] for name in one["timeline"]}
    assert "faces" not in post("application/json", "largest").json()
    rows = list(csv.DictReader(io.StringIO(post("text/csv", "all").text)))
    assert [row["face"] for row in rows] == ["0"] * 40 + ["1"] * 40
    columns = {"time_s", "arousal", "valence", "face_confidence", "speech", *ACTION_UNITS, "flags", *UNCERTAINTIES}
    assert rows[3].keys() - {"face"} == columns
    heights = {}
    for face in ("largest", "all"):
        with Image.open(io.BytesIO(post("image/png", face).content)) as picture:
            heights[face] = picture.height
    assert heights["all"] == pytest.approx(2 * heights["largest"], rel=0.1)
    refused = post("application/fhir+json", "all")
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    assert "face=all" in refused.json()["detail"]
    assert client.post(TABLE, params={"face": "all"}, **CSV).status_code == 422


@pytest.mark.parametrize("face", ["at:", "at:0.5", "at:1.5,0", "at:-0.1,0", "at:nan,0", "at:0.5,0.5,0.5", "0.5,0.5"])
def test_a_place_outside_the_picture_is_refused(client: httpx.Client, face: str) -> None:
    refused = client.post(VIDEO, params={"face": face}, **MP4)
    assert (refused.status_code, refused.json()["code"]) == (422, "config_invalid")


def test_parameters_reach_the_pipeline(client: httpx.Client, live: LiveServer) -> None:
    query = "include=audio,,action_units&neutral=1.5:3&face=02&model=affect-prior&version=1"
    assert client.post(f"{VIDEO}?{query}", **MP4).status_code == 200
    options = live.affect.seen[-1][1]
    assert (options.neutral, options.face, options.model, options.version) == ("1.5:3", "2", "affect-prior", "1")
    assert options.include == {"audio", "action_units"}
    assert (options.channel, options.audio_model, options.audio_version) == ("mix", None, None)
    query = "include=audio&channel=left&audio_model=emonet-open&audio_version=1"
    assert client.post(f"{VIDEO}?{query}", **MP4).status_code == 200
    options = live.affect.seen[-1][1]
    assert (options.channel, options.audio_model, options.audio_version) == ("left", "emonet-open", "1")
    assert client.post(f"{TABLE}?fps=25&face=3", **CSV).status_code == 200
    options = live.affect.seen[-1][1]
    assert (options.fps, options.face) == (25.0, "3")


@pytest.fixture
def unprepared() -> Iterator[LiveServer]:
    settings = small_settings()
    with serving(settings, Services(settings, Loaded(FakeRegistry(), FakeDecoder(), FakePipeline()))) as server:
        yield server


def test_what_is_not_prepared_is_told_and_the_rest_works(unprepared: LiveServer) -> None:
    for address, send in CALLS:
        response = httpx.post(unprepared.url + address, **send)
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert "emoserve setup" in response.json()["detail"]
    assert httpx.get(unprepared.url + "/v2/health/ready").status_code == 200
    wav = {"content-type": "audio/wav"}
    assert httpx.post(unprepared.url + "/v1/audio/emotion", content=b"RIFF", headers=wav).status_code == 200


def test_tables_need_no_face_model() -> None:
    settings = small_settings()
    affect = FakeVideoPipeline(has_faces=False)
    with serving(settings, Services(settings, Loaded(FakeRegistry(), FakeDecoder(), FakePipeline(), affect))) as server:
        assert httpx.post(server.url + TABLE, **CSV).status_code == 200
        assert httpx.post(server.url + VIDEO, **MP4).json()["code"] == "unavailable"
    assert affect.closed


def test_documented_with_example_and_problems(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    of_video = {"neutral", "channel", "track", "picture_track"}
    of_video |= {f"{part}_{name}" for part in ("audio", "expression") for name in ("model", "version")}
    for address, parameters in ((VIDEO, of_video), (TABLE, {"fps"})):
        operation = paths[address]["post"]
        named = {parameter["name"] for parameter in operation["parameters"]}
        assert named == {"include", "face", "model", "version"} | parameters | set(AnswerQuery.model_fields)
        answer = operation["responses"]["200"]["content"]
        assert set(answer) == set(ANSWER_MEDIA_TYPES)
        VideoAffectAnswer.model_validate(answer["application/json"]["example"])
    assert "text/csv" in paths[TABLE]["post"]["requestBody"]["content"]
    assert "columns_missing" in str(paths[TABLE]["post"]["responses"]["422"])
    assert "no_video_stream" in str(paths[VIDEO]["post"]["responses"]["422"])
