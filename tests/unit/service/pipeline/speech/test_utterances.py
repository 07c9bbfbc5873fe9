"""Utterances: what joins, what is left out, which clips the model hears; the same wherever the sound is cut."""

from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.pipeline.speech.resampling import HeldSamples
from service.pipeline.speech.utterances import UtteranceClip, UtteranceFinder, UtteranceRule, Utterances
from service.pipeline.speech.voice_activity import Steps, VoiceActivity

STEP = 100
VOICE = cast("VoiceActivity", SimpleNamespace(step_s=0.1, step_samples=STEP, rate_hz=1000))
RULE = UtteranceRule(
    gap_s=0.3, least_s=0.4, margin_s=0.05, window_samples=1000, hop_samples=400, least_samples=80, rate_hz=1000
)


def hear(pattern: str, cuts: tuple[int, ...] = ()) -> tuple[list[Utterances], list[UtteranceClip]]:
    """Utterances and clips of steps, '#' for voice, cut anywhere; nothing is held that is not needed."""
    is_speech = np.array([mark == "#" for mark in pattern])
    samples = np.arange(len(pattern) * STEP, dtype=np.float32)
    held, finder = HeldSamples(), UtteranceFinder(RULE, VOICE)
    utterances, clips = [], []
    edges = sorted({0, len(pattern), *(cut for cut in cuts if cut < len(pattern))})
    for begin, stop in pairwise(edges):
        held.append(samples[begin * STEP : stop * STEP])
        known = is_speech[begin:stop]
        odd = np.arange(begin, stop) % 2 == 1
        steps = Steps(known, known & odd, known.astype(np.float32), np.full(len(known), 0.01))
        found, parts = finder.take(steps, held, last=stop == len(pattern))
        utterances.append(found)
        clips += parts
        held.forget(max(0, finder.first_needed))
        state, finder = finder.state(), UtteranceFinder(RULE, VOICE)
        finder.restore(state)
    return utterances, clips


def rows(pattern: str, cuts: tuple[int, ...] = ()) -> list[tuple[int, int]]:
    """First and last step of each utterance."""
    found, _ = hear(pattern, cuts)
    return [
        (start // STEP, end // STEP - 1)
        for one in found
        for start, end in zip(one.start_samples.tolist(), one.end_samples.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("....", []),
        ("####", [(0, 3)]),
        (".####..####.", [(1, 10)]),
        (".####...####.", [(1, 4), (8, 11)]),
        (".####...###.", [(1, 4)]),
        (".#..#...####", [(1, 4), (8, 11)]),
        (".##....###...#.", [(7, 9)]),
        ("##..................................................", []),
        ("##........", [(0, 1)]),
        (".###................................................", [(1, 3)]),
    ],
)
def test_pauses_part_and_short_pieces_are_left_out(pattern: str, expected: list[tuple[int, int]]) -> None:
    assert rows(pattern) == expected


def test_a_clip_is_the_voice_with_its_margin_whatever_is_before() -> None:
    for lead in range(1, 9):
        _, (clip,) = hear("." * lead + "#####" + "...")
        assert (clip.start, clip.stop) == (lead * STEP - 50, (lead + 5) * STEP + 50)


def test_a_long_utterance_is_heard_window_by_window_from_its_beginning() -> None:
    _, clips = hear("." * 3 + "#" * 17 + "." * 4)  # 1.7 s of voice and margins of 0.05 s
    assert [clip.start - 250 for clip in clips] == [0, 400, 800]
    assert [clip.stop - clip.start for clip in clips] == [1000, 1000, 1000]


def test_columns_tell_voice_and_level() -> None:
    (found,), _ = hear("##.###..")
    assert found.voice_s.tolist() == pytest.approx([0.5])
    assert found.speech.tolist() == pytest.approx([5 / 6])
    assert found.powers.tolist() == pytest.approx([0.01])


@given(pattern=st.text(alphabet="##.", min_size=1, max_size=80), cuts=st.lists(st.integers(1, 79), max_size=10))
def test_cuts_change_nothing(pattern: str, cuts: list[int]) -> None:
    assert rows(pattern, tuple(cuts)) == rows(pattern)
    _, whole = hear(pattern)
    _, parts = hear(pattern, tuple(cuts))
    assert [(one.number, one.start, one.stop) for one in parts] == [(one.number, one.start, one.stop) for one in whole]
    for one in parts:
        np.testing.assert_array_equal(one.samples, np.arange(one.start, one.stop, dtype=np.float32))
