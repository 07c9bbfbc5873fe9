"""The comparison finds what differs, and passes over what may."""

import json

import pytest

from tests.answers.compare import compare_answers, compare_folders
from tests.answers.normalise import events, joined, table, text, tree


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 0.25}, {"a": 0.25003}),
        ({"a": [0.5, None]}, {"a": [0.5, 0.5]}),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}),
        ({"a": 1}, {"b": 1}),
        ({"a": "calm"}, {"a": "fear"}),
        ({"a": True}, {"a": 1}),
        ({"a": 0}, {"a": False}),
        ({"start_s": [0.125]}, {"start_s": [0.126]}),
        ({"a": [0.125, 0.25]}, {"a": [0.127, 0.25]}),
        ({"grey": [[200.0]]}, {"grey": [[190.0]]}),
    ],
)
def test_a_difference_is_found(one, other):
    assert len(compare_answers(one, other).failures) >= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 0.250001}, {"a": 0.250004}),
        ({"a": 250_000.0}, {"a": 250_001.0}),
        ({"a": 1}, {"a": 1.0}),
        ({"detail": "The file is empty."}, {"detail": "Nothing is in the file."}),
        ({"a": [0.125, 0.25]}, {"a": [0.126, 0.25]}),
        ({"grey": [[200.0]]}, {"grey": [[199.0]]}),
    ],
)
def test_what_may_differ_is_passed_over(one, other):
    assert compare_answers(one, other).failures == []


def test_more_than_a_tenth_of_the_last_digits_is_a_difference():
    one = [round(0.001 * index + 0.5, 3) for index in range(30)]
    few = [value + 0.001 * (index < 3) for index, value in enumerate(one)]
    many = [value + 0.001 * (index < 4) for index, value in enumerate(one)]
    few, many = [round(value, 3) for value in few], [round(value, 3) for value in many]
    assert compare_answers(one, few).failures == []
    assert len(compare_answers(one, many).failures) == 4


def test_the_largest_difference_is_told():
    assert compare_answers([0.000001, 0.5], [0.000003, 0.5]).largest == pytest.approx(2e-6)


def test_folders_are_compared_file_by_file(tmp_path, capsys):
    for folder, value in (("one", 0.123456), ("other", 0.123556)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.json").write_text(json.dumps({"a": 1}))
        (tmp_path / folder / "case.json").write_text(json.dumps({"a": {"b": value}}))
    assert compare_folders(tmp_path / "one", tmp_path / "one") == 0
    assert compare_folders(tmp_path / "one", tmp_path / "other") == 1
    assert "case.json/a/b: 0.123456, then 0.123556" in capsys.readouterr().out
    (tmp_path / "other" / "case.json").unlink()
    assert compare_folders(tmp_path / "one", tmp_path / "other") == 1
    assert compare_folders(tmp_path / "nowhere", tmp_path / "nowhere") == 1


def test_what_changes_from_run_to_run_is_replaced():
    assert tree(
        {"request_id": "x", "started_at": "2026-01-02T03:04:05Z", "ended_at": None, "at": "2026-01-02T03:04:05Z"}
    ) == {"request_id": "<request_id>", "started_at": "<started_at>", "ended_at": None, "at": "<time>"}
    assert text("urn:uuid:01234567-89ab-cdef-0123-456789abcdef") == "urn:uuid:<uuid>"
    assert text("http://127.0.0.1:8123/v1/jobs/AbCdEfGhIjKlMnOpQrStUvWx/result") == "<host>/v1/jobs/<id>/result"
    assert text("/tmp/x/in/a.wav: bad", "/tmp/x/in") == "<folder>/a.wav: bad"
    assert tree({"data": "0.5 E -0.25"}) == {"data": [0.5, "E", -0.25]}


def test_tables_become_columns():
    assert table("time_s,emotion,arousal\n0.5,fear,\n") == {
        "columns": ["time_s", "emotion", "arousal"],
        "rows": 1,
        "values": {"time_s": [0.5], "emotion": ["fear"], "arousal": [None]},
    }


def test_messages_of_columns_are_joined_however_they_were_cut():
    whole = [{"type": "affect", "final": True, "time_s": [0.0, 0.1, 0.2]}]
    parts = [
        {"type": "affect", "final": True, "time_s": [0.0]},
        {"type": "affect", "final": True, "time_s": [0.1, 0.2]},
    ]
    assert joined(parts) == joined(whole) == whole
    assert len(joined([whole[0], whole[0] | {"final": False}])) == 2


def test_events_are_read():
    stream = (
        ': ping\n\nevent: progress\ndata: {"progress": 0.5}\n\nevent: result\ndata: {"request_id": "a", "b": 1}\n\n'
    )
    found = events(stream)
    assert found["progress_increases"]
    assert found["events"] == [{"event": "result", "data": {"request_id": "<request_id>", "b": 1}}]
    assert not events('event: progress\ndata: {"progress": 0.5}\n\nevent: progress\ndata: {"progress": 0.4}\n\n')[
        "progress_increases"
    ]
