"""Embeddings as JSON and CSV: nothing rounded, silent windows empty, several channels and their mean."""

import csv
import io

import numpy as np
import orjson
import pytest

from service.api import answers
from service.http.negotiation import JSON
from service.render.embedding import audio_embedding_csv, audio_embedding_json
from service.schemas.embedding import AudioEmbeddingAnswer
from tests.support.fakes import fake_embedding


def rendered(result) -> dict:
    document = audio_embedding_json(result, "id")
    return orjson.loads(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))


def test_json_of_one_channel():
    result = fake_embedding()
    document = rendered(result)
    AudioEmbeddingAnswer.model_validate(document)
    assert document["embedding"] == [[0.0, 0.125, 0.25], None, [0.75, 0.875, 1.0]]
    assert document["timeline"] == {"start_s": [0.0, 0.5, 1.0], "end_s": [2.0, 2.5, 3.0]}
    assert document["flags"] == ["silent_windows"]
    assert document["dimensions"] == 3
    assert not {"channels", "denoiser"} & set(document)


def test_json_of_several_channels_has_their_mean():
    document = rendered(fake_embedding(("left", "right"), denoised=True))
    AudioEmbeddingAnswer.model_validate(document)
    left, right = document["channels"]
    assert (left["channel"], right["channel"]) == ("left", "right")
    assert left["embedding"][1] is None
    assert document["embedding"][1] == right["embedding"][1]  # the other one is silent there
    assert document["embedding"][0] == pytest.approx([0.5, 0.625, 0.75])
    assert document["flags"] == ["denoised", "silent_windows"]
    assert document["denoiser"]["name"] == "quiet"


def test_rows_are_encoded_one_at_a_time(monkeypatch):
    """Nothing else can run while the encoder does, and a large answer has millions of numbers."""
    encode, shapes = answers._row_bytes, []

    def watched(row):
        shapes.append(row.shape)
        return encode(row)

    monkeypatch.setattr(answers, "_row_bytes", watched)
    result = fake_embedding(("left", "right"))
    assert orjson.loads(answers.embedding_answer(result, JSON, "id")) == rendered(result)
    assert set(shapes) == {(3,)}
    assert len(shapes) >= 5


def test_one_channel_named_by_its_index_is_listed():
    document = rendered(fake_embedding(("0",)))
    assert [channel["channel"] for channel in document["channels"]] == ["0"]
    assert document["channels"][0]["embedding"] == document["embedding"]


def test_csv():
    header, *rows = csv.reader(io.StringIO(audio_embedding_csv(fake_embedding()).decode(), newline=""))
    assert header == ["start_s", "end_s", "e0", "e1", "e2"]
    assert rows[0] == ["0.0", "2.0", "0.0", "0.125", "0.25"]
    assert rows[1] == ["0.5", "2.5", "", "", ""]
    assert len(rows) == 3
    table = audio_embedding_csv(fake_embedding(("left", "right")))
    header, *rows = csv.reader(io.StringIO(table.decode(), newline=""))
    assert header[0] == "channel"
    assert [row[0] for row in rows] == ["left"] * 3 + ["right"] * 3
    assert table.endswith(b"\r\n")
    assert table.count(b"\r\n") == 7


def test_numbers_are_not_rounded():
    result = fake_embedding()
    numbers = np.array([[1 / 3, 1e-20, -3e30]] * 3, np.float32)
    channel = result.channels[0]
    channel.rows[:] = numbers
    for row in rendered(result)["embedding"]:
        np.testing.assert_array_equal(np.array(row, np.float32), numbers[0])
    cells = audio_embedding_csv(result).decode().splitlines()[1].split(",")[2:]
    np.testing.assert_array_equal(np.array(cells, np.float32), numbers[0])
