"""Answers as tiers of Praat and ELAN, read back by the formats' own rules."""

import itertools
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from service.__main__ import main
from service.pipeline.results import FlagSpan, Segments, SpeakerTurns
from service.render.annotations import eaf, textgrid, tiers
from tests.support.example_affect import example_affect
from tests.support.example_results import example_result

QUOTED = 'a "dry" voice'


def voice():
    """Two utterances of a recording of 4 s, the second without an emotion, and what else a tier may hold."""
    answer = example_result()
    rows = Segments(
        start_s=np.array([0.5, 2.0]),
        end_s=np.array([1.5, 2.8]),
        probabilities=np.array([np.eye(len(answer.labels))[1], [np.nan] * len(answer.labels)], np.float32),
        arousal=np.array([0.25, np.nan], np.float32),
        valence=np.array([-0.5, np.nan], np.float32),
        speech=np.ones(2, np.float32),
        speech_level_db=np.full(2, -20, np.float32),
        confidence=np.ones(2, np.float32),
        uncertain=np.zeros(2, bool),
    )
    turns = SpeakerTurns(np.array([0.5]), np.array([2.8]), (QUOTED,))
    spans = (FlagSpan("clipped", 1.0, 1.2), FlagSpan("clipped", 3.0, 9.0))
    channel = replace(answer.channels[0], segments=rows, turns=turns)
    media = replace(answer.media, duration_s=4.0)
    return replace(answer, media=media, channels=(channel,), flag_spans=spans)


def read_textgrid(text):
    """Tiers by name, as Praat reads numbers and strings in their order."""
    words = re.findall(r'"(?:[^"]|"")*"|(?<![\w\[])-?\d+(?:\.\d+)?(?![\w\]])', text)
    values = iter([word[1:-1].replace('""', '"') if word.startswith('"') else float(word) for word in words])
    assert [next(values) for _ in range(4)] == ["ooTextFile", "TextGrid", 0.0, 4.0]
    found = {}
    for _ in range(int(next(values))):
        assert next(values) == "IntervalTier"
        name = next(values)
        assert [next(values), next(values)] == [0.0, 4.0]
        found[name] = [tuple(next(values) for _ in range(3)) for _ in range(int(next(values)))]
    assert next(values, None) is None
    return found


def test_a_textgrid_covers_the_recording_without_gaps() -> None:
    found = read_textgrid(textgrid(voice()))
    label = example_result().labels[1]
    assert found["emotion"] == [(0, 0.5, ""), (0.5, 1.5, label), (1.5, 2, ""), (2, 2.8, ""), (2.8, 4, "")]
    assert [text for *_, text in found["arousal"]] == ["", "+0.25", "", "", ""]
    assert [text for *_, text in found["valence"]] == ["", "-0.50", "", "", ""]
    assert found["speaker"] == [(0, 0.5, ""), (0.5, 2.8, QUOTED), (2.8, 4, "")]
    assert found["clipped"] == [(0, 1, ""), (1, 1.2, "clipped"), (1.2, 3, ""), (3, 4, "clipped")]
    for intervals in found.values():
        assert all(before[1] == after[0] for before, after in itertools.pairwise(intervals))


def test_an_eaf_has_its_times_in_milliseconds() -> None:
    root = ElementTree.fromstring(eaf(voice(), "a b.wav", "audio/wav"))
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")}
    kinds = {kind.get("LINGUISTIC_TYPE_ID") for kind in root.iter("LINGUISTIC_TYPE")}
    found = {}
    for tier in root.iter("TIER"):
        assert tier.get("LINGUISTIC_TYPE_REF") in kinds
        found[tier.get("TIER_ID")] = [
            (slots[one.get("TIME_SLOT_REF1")], slots[one.get("TIME_SLOT_REF2")], one.findtext("ANNOTATION_VALUE"))
            for one in tier.iter("ALIGNABLE_ANNOTATION")
        ]
    assert found["emotion"] == [(500, 1500, example_result().labels[1]), (2000, 2800, "")]
    assert found["speaker"] == [(500, 2800, QUOTED)]
    assert root.find("HEADER/MEDIA_DESCRIPTOR").get("MEDIA_URL") == "./a b.wav"
    names = [one.get("ANNOTATION_ID") for one in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(names) == len(set(names))


def test_a_face_has_a_mean_each_second() -> None:
    answer = example_affect(40, gaps=((10, 20),))
    arousal, valence = tiers(answer)[:2]
    assert (arousal.name, valence.name) == ("arousal", "valence")
    assert [start for start, *_ in arousal.intervals] == [0.0, 2.0, 3.0]
    assert float(arousal.intervals[0][2]) == pytest.approx(float(answer.arousal[:10].mean()), abs=0.006)


def test_without_voice_activity_the_whole_recording_is_one_interval() -> None:
    answer = voice()
    bare = replace(answer, channels=(replace(answer.channels[0], segments=None, turns=None),), flag_spans=())
    assert read_textgrid(textgrid(bare))["emotion"] == [(0, 4, bare.channels[0].emotion)]


@pytest.mark.parametrize(("form", "suffix"), [("textgrid", ".TextGrid"), ("eaf", ".eaf"), ("fhir", ".json")])
def test_a_file_a_recording_below_the_folder(form, suffix, tmp_path, monkeypatch, capsys) -> None:
    from tests.support.fakes import FakeEngine

    monkeypatch.setenv("EMOSERVE_STATE_DIR", str(tmp_path / "state"))
    engine = FakeEngine()
    engine.install(monkeypatch)
    engine.pipeline.answer = lambda data, options: voice()
    (tmp_path / "in/sub").mkdir(parents=True)
    for name in ("a.wav", "a.flac", "sub/b.wav"):
        (tmp_path / "in" / name).write_bytes(b"good")
    assert main(["analyze", str(tmp_path / "in"), "--format", form, "--output", str(tmp_path / "out")]) == 0
    made = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*" + suffix))
    assert made == [f"a-2{suffix}", f"a{suffix}", f"sub/b{suffix}"]
    assert main(["analyze", str(tmp_path / "in"), "--format", form]) == 2
    assert "name it with --output" in capsys.readouterr().err
