"""Who speaks when: grouping of directions, and turns."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from service.pipeline.options import read_speakers
from service.pipeline.results import SpeakerTurns
from service.pipeline.speech.speakers import (
    MOST_GROUPED,
    VoicePieces,
    average_linkage,
    group_voices,
    speaker_name,
    speakers_within,
    turns_of,
)
from service.problems import Unprocessable

RATE_HZ = 1000


def voices(order: list[int], spread: float = 0.1, seed: int = 0) -> VoicePieces:
    """Pieces of a second, one after the other, of voices in the directions of the axes."""
    rng = np.random.default_rng(seed)
    rows = np.eye(8)[order] + spread * rng.standard_normal((len(order), 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    starts = np.arange(len(order)) * RATE_HZ
    return VoicePieces(starts, starts + RATE_HZ, rows.astype(np.float16))


def test_groups_are_joined_as_scipy_joins_them() -> None:
    rows = voices([0, 1, 2, 3] * 10, spread=0.5).embeddings.astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    levels, likeness = average_linkage(rows)
    np.testing.assert_allclose(1 - likeness, linkage(rows, "average", metric="cosine")[:, 2], atol=1e-5)
    assert [len(np.unique(level)) for level in levels] == list(range(len(rows), 0, -1))


@pytest.mark.parametrize("asked", ["auto", 3])
def test_voices_are_numbered_as_they_first_speak(asked) -> None:
    order = [5, 5, 5, 2, 2, 7, 7, 7, 2, 5, 2, 7]
    assert group_voices(voices(order), RATE_HZ, 0.5, asked).tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 1, 0, 1, 2]


def test_a_number_is_the_most_that_are_told() -> None:
    pieces = voices([0] * 5 + [1] * 5 + [2] * 5)
    assert [len(np.unique(group_voices(pieces, RATE_HZ, 0.5, count))) for count in (1, 2, 3)] == [1, 2, 3]
    assert len(np.unique(group_voices(voices([0]), RATE_HZ, 0.5, 4))) == 1
    nothing = VoicePieces(*np.zeros((2, 0), np.int64), np.zeros((0, 8), np.float16))
    assert group_voices(nothing, RATE_HZ, 0.5, 2).size == 0


def test_a_sound_of_a_second_is_no_voice_of_its_own() -> None:
    order = [0] * 6 + [3] + [1] * 6
    assert np.unique(group_voices(voices(order), RATE_HZ, 0.5, "auto")).size == 2


def test_long_recordings_are_grouped_by_a_part_of_them() -> None:
    order = np.random.default_rng(1).integers(0, 4, 20 * MOST_GROUPED).tolist()
    found = group_voices(voices(order), RATE_HZ, 0.5, "auto")
    firsts = list(dict.fromkeys(order))
    assert found.tolist() == [firsts.index(one) for one in order]


def test_the_middle_divides_pieces_that_overlap() -> None:
    pieces = VoicePieces(
        np.array([0, 800, 1600, 5000, 5100]), np.array([1600, 2400, 3000, 5050, 6000]), np.zeros((5, 2), np.float16)
    )
    turns = turns_of(pieces, np.array([0, 0, 1, 1, 1]), RATE_HZ, 10.0, 0.3)
    assert turns.start_s.tolist() == [10.0, 12.0, 15.0]
    assert turns.end_s.tolist() == [12.0, 13.0, 16.0]
    assert turns.speaker == ("A", "B", "B")


def test_a_stretch_is_of_who_speaks_longest_in_it() -> None:
    turns = SpeakerTurns(np.array([0.0, 2.0, 3.0]), np.array([2.0, 3.0, 9.0]), ("A", "B", "A"))
    starts, ends = np.array([0.0, 1.5, 8.5, 9.5]), np.array([1.0, 3.2, 9.5, 10.0])
    assert speakers_within(turns, starts, ends) == ("A", "B", "A", None)


def test_letters_go_on_behind_z() -> None:
    assert [speaker_name(number) for number in (0, 25, 26, 27, 52)] == ["A", "Z", "AA", "AB", "BA"]


def test_what_speakers_takes() -> None:
    assert [read_speakers(text) for text in (None, "off", "auto", "1", "20")] == [None, None, "auto", 1, 20]
    for text in ("", "0", "21", "02", "Auto", "-1", "2.0", "٣"):
        with pytest.raises(Unprocessable) as caught:
            read_speakers(text)
        assert caught.value.pointer == "/speakers"
