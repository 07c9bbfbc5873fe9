"""Priors of the classes: Bayes' rule, what is refused, and one answer whichever way a recording is heard."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from service.card import Card, read_card
from service.jobs.spool import Spool
from service.pipeline.audio_options import AudioOptions
from service.pipeline.prior import prior_for
from service.pipeline.results import AudioEmotion, JudgedSegment, JudgedWindow
from service.pipeline.speech.live import LiveOptions
from service.problems import Unprocessable
from tests.plain_wav import wav
from tests.support.long_recordings import run_job
from tests.support.work import patient
from tests.tiny_models import write_speech_bundle, write_voice_bundle
from tests.unit.service.jobs.test_long_audio import Built
from tests.unit.service.pipeline.speech.test_profile import RATE_HZ, talk

SHARES = {"anger": 0.2, "joy": 0.2, "neutral": 0.6}
HEARD = np.array([0.5, 0.3, 0.2], np.float32)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    folder = write_speech_bundle(tmp_path_factory.mktemp("card"), labels=tuple(SHARES), class_prior=SHARES)
    return read_card(folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("models")
    write_speech_bundle(folder, class_prior={"anger": 0.25, "neutral": 0.75})
    write_voice_bundle(folder)
    built = Built(folder)
    yield built
    built.close()


@pytest.mark.parametrize(
    ("asked", "source", "wanted"),
    [
        ("uniform", "uniform", (1 / 3, 1 / 3, 1 / 3)),
        ("anger:0.1,joy:0.1,neutral:0.8", "asked", (0.1, 0.1, 0.8)),
        ("neutral:6,joy:2,anger:2", "asked", (0.2, 0.2, 0.6)),  # all are named: normalised
        ("anger:0.2", "asked", (0.2, 0.2, 0.6)),  # the rest as on the card
        ("joy:0", "asked", (0.25, 0.0, 0.75)),
        ("anger:1", "asked", (1.0, 0.0, 0.0)),
        ("anger:0.7,joy:0.3000001", "asked", (0.7, 0.3, 0.0)),
    ],
)
def test_bayes_rule(card: Card, asked: str, source: str, wanted: tuple[float, ...]) -> None:
    prior = prior_for(asked, card)
    assert prior is not None
    assert prior.use.source == source
    assert list(prior.use.by_label) == list(SHARES)
    assert list(prior.use.by_label.values()) == pytest.approx(wanted, abs=1e-6)
    odds = HEARD * np.array(wanted) / np.array(list(SHARES.values()))
    arousal = np.array(0.5, np.float32)
    for heard in (HEARD, np.stack([HEARD, HEARD[::-1]])):
        answer = prior.posterior({"probabilities": heard, "arousal": arousal})
        assert answer["arousal"] is arousal
        assert answer["probabilities"].dtype == np.float32
        np.testing.assert_allclose(np.atleast_2d(answer["probabilities"])[0], odds / odds.sum(), atol=1e-6)
        np.testing.assert_allclose(answer["probabilities"].sum(axis=-1), 1.0, atol=1e-6)
    assert prior.posterior({}) == {}


def test_the_card_asks_for_nothing(card: Card) -> None:
    assert prior_for(None, card) is None
    assert prior_for("card", card) is None
    equal = prior_for("uniform", card.model_copy(update={"class_prior": None}))
    assert equal is not None
    np.testing.assert_allclose(equal.posterior({"probabilities": HEARD})["probabilities"], HEARD, atol=1e-7)


def test_where_the_model_rules_out_all_that_is_left_the_prior_stays(card: Card) -> None:
    prior = prior_for("anger:0", card)
    assert prior is not None
    certain = prior.posterior({"probabilities": np.array([1, 0, 0], np.float32)})["probabilities"]
    np.testing.assert_allclose(certain, [0.0, 0.25, 0.75])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("bliss:0.5", "It knows: anger, joy, neutral"),
        ("Anger:0.5", "It knows: anger, joy, neutral"),
        ("anger:0.6,joy:0.6", "sums to more than 1"),
        ("anger:0,joy:0,neutral:0", "excludes every label"),
        ("anger:0.5,anger:0.5", "names a label twice"),
        ("anger", "must be 'card', 'uniform'"),
        ("uniform,anger:1", "must be 'card', 'uniform'"),
        ("anger:" + "9" * 600, "must be 'card', 'uniform'"),
    ],
)
def test_priors_that_cannot_be_are_refused(card: Card, asked: str, message: str) -> None:
    with pytest.raises(Unprocessable, match=message) as refused:
        prior_for(asked, card)
    assert refused.value.pointer == "/prior"


@pytest.mark.parametrize(
    "shares", [{"anger": 0.5}, {**SHARES, "fear": 0.1}, {**SHARES, "joy": 0.0}, {**SHARES, "joy": -1.0}]
)
def test_a_card_names_every_label_with_a_share(tmp_path: Path, shares: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        write_speech_bundle(tmp_path, labels=tuple(SHARES), class_prior=shares)


def test_upload_job_and_stream_say_the_same(built: Built, tmp_path: Path) -> None:
    samples = talk(0.8, 0.3, 0.6, 0.8, 0.2, 0.5)
    content = wav(samples)
    rows: list[JudgedWindow] = []

    def heard(prior: str | None) -> AudioEmotion:
        options = AudioOptions(timeline=True, segments=True, prior=prior)
        rows.clear()
        return built.speech.analyse(content, options, patient(), on_window=lambda row, _: rows.append(row))

    plain, upload = heard(None), heard("anger:0.99")
    assert plain.prior is None
    assert upload.prior is not None
    assert upload.prior.by_label == pytest.approx({"anger": 0.99, "neutral": 0.01})
    own, before = upload.channels[0], plain.channels[0]
    for values, unweighed, atol in (
        (own.timeline.probabilities, before.timeline.probabilities, 1e-6),
        (own.segments.probabilities, before.segments.probabilities, 0.05),  # means over two clips each
    ):
        odds = unweighed * np.array([0.99 / 0.25, 0.01 / 0.75])
        np.testing.assert_allclose(values, odds / odds.sum(axis=1, keepdims=True), atol=atol)
    np.testing.assert_array_equal(own.segments.arousal, before.segments.arousal)
    assert (before.emotion, own.emotion) == ("neutral", "anger")
    for row in rows:
        expected = own.timeline.probabilities[row.index]
        np.testing.assert_array_equal(np.full(2, np.nan) if row.probabilities is None else row.probabilities, expected)
    assert len(rows) == len(own.timeline.start_s)

    options = AudioOptions(timeline=True, segments=True, prior="anger:0.99")
    job, parts = run_job(built.plans, options, content, Spool(tmp_path))
    assert parts > 2
    live = built.speech.live(LiveOptions(RATE_HZ, segments=True, prior="anger:0.99"))
    pcm = (samples * 32767).round().astype("<i2").tobytes()
    told: list[JudgedWindow | JudgedSegment] = []
    for begin in range(0, len(pcm), 9_000):
        told += live.add(pcm[begin : begin + 9_000], patient())
    told += live.finish(patient())
    utterances = [one.row.probabilities[0] for one in told if isinstance(one, JudgedSegment)]
    np.testing.assert_allclose(utterances, own.segments.probabilities, atol=1e-4)
    for other in (job, live.answer()):
        assert other.prior == upload.prior
        np.testing.assert_allclose(other.channels[0].probabilities, own.probabilities, atol=1e-4)
        np.testing.assert_allclose(other.channels[0].timeline.probabilities, own.timeline.probabilities, atol=1e-4)


def test_a_bad_prior_is_refused_before_the_work(built: Built) -> None:
    for refuse in (
        lambda: built.speech.analyse(b"no recording", AudioOptions(prior="bliss:1"), patient()),
        lambda: built.plans.check(AudioOptions(prior="bliss:1")),
        lambda: built.speech.live(LiveOptions(RATE_HZ, prior="bliss:1")),
    ):
        with pytest.raises(Unprocessable, match="It knows: anger, neutral"):
            refuse()
