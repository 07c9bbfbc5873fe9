"""How answers of the client are read from documents of older and newer services."""

import pytest
from emoserve_client import Media, StreamClosed, Window
from emoserve_client.common_answers import members

WINDOW = {"index": 3, "start_s": 0.0, "end_s": 1.0, "probabilities": {"anger": 1.0}, "emotion": "anger"}


def test_a_member_may_be_missing_where_its_field_may_be_none() -> None:
    window = Window.read(WINDOW)
    assert (window.channel, window.arousal, window.valence, window.speech) == (None,) * 4
    assert (window.index, window.probabilities, window.raw) == (3, {"anger": 1.0}, WINDOW)


def test_unknown_members_stay_in_the_raw_document() -> None:
    assert Window.read({**WINDOW, "new": 1}).raw["new"] == 1
    assert Media.read({"duration_s": 1.0, "container": "wav", "codec": "pcm_s16le", "new": 1}).channels is None


@pytest.mark.parametrize("name", ["reason", "duration_s", "answers"])
def test_other_members_have_to_be_there(name: str) -> None:
    document = {"reason": "end", "duration_s": 1.0, "answers": 2}
    assert StreamClosed.read(document).answers == 2
    del document[name]
    with pytest.raises(KeyError, match=name):
        StreamClosed.read(document)


def test_values_that_were_read_take_the_place_of_members() -> None:
    assert members(StreamClosed, {"reason": "end", "duration_s": 1.0}, answers=7)["answers"] == 7
