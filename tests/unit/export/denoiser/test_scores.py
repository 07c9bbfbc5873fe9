import numpy as np
import pytest

from export.corpora.tables import read_corpus
from export.denoiser.mixtures import MixtureConfig, MixtureSampler, add_noise, read_speakers, trim
from export.denoiser.noises import SAMPLE_RATE_HZ, TRAINING_FAMILIES, UNSEEN_FAMILIES, babble, coloured
from export.denoiser.rooms import EARLY_S, make_room
from export.denoiser.scores import (
    CONDITIONS,
    PERFECT_DB,
    evaluate_denoiser,
    make_mixtures,
    mean_with_interval,
    si_sdr_db,
)
from tests.support.small_corpus import write_small_corpus

FAMILIES = TRAINING_FAMILIES | UNSEEN_FAMILIES


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return read_corpus(write_small_corpus(tmp_path_factory.mktemp("figures") / "small", per_class=2))


def random(seed=0):
    return np.random.default_rng(seed)


def test_si_sdr_follows_its_definition():
    speech, noise = random().normal(size=(2, 4000))
    noise -= speech * (noise @ speech) / (speech @ speech)  # orthogonal: the definition is then a plain ratio
    ratio_db = 10 * np.log10((speech @ speech) / (0.01 * noise @ noise))
    assert si_sdr_db(speech + 0.1 * noise, speech) == pytest.approx(ratio_db, abs=1e-9)
    assert si_sdr_db(3.0 * (speech + 0.1 * noise), speech) == pytest.approx(ratio_db, abs=1e-9)
    assert si_sdr_db(-speech, speech) == PERFECT_DB
    assert si_sdr_db(noise, speech) == -PERFECT_DB


def test_si_sdr_of_a_silent_wish_is_refused():
    with pytest.raises(ValueError, match="silent"):
        si_sdr_db(np.ones(3), np.zeros(3))


@pytest.mark.parametrize("family", FAMILIES)
def test_noises_have_unit_power_and_come_from_their_seed(family):
    first, again, other = (FAMILIES[family](random(seed), 20_000) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    assert first.shape == (20_000,)
    assert np.square(first).mean() == pytest.approx(1.0, rel=1e-3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_coloured_noise_falls_as_told():
    power = np.abs(np.fft.rfft(coloured(random(), 160_000, 2.0))) ** 2
    low, high = power[1000:2000].mean(), power[4000:8000].mean()  # two octaves: 12 dB
    assert 10 * np.log10(low / high) == pytest.approx(12.0, abs=0.7)


def test_training_and_test_noises_share_no_family():
    assert not TRAINING_FAMILIES.keys() & UNSEEN_FAMILIES.keys()


def test_babble_is_made_of_the_voices():
    voices = [np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000).astype(np.float32) for hz in (300, 500)]
    spectrum = np.abs(np.fft.rfft(babble(random(), 16_000, voices)))
    assert set(np.flatnonzero(spectrum > 10.0)) <= {300, 500}


def test_rooms_decay_as_told_and_carry_the_physical_balance():
    rt60_s, distance_m, volume_m3 = 0.6, 3.0, 100.0
    rooms = [make_room(random(seed), rt60_s, distance_m, volume_m3, SAMPLE_RATE_HZ) for seed in range(20)]
    energy = np.mean([np.square(room.response) for room in rooms], axis=0)
    # Later than 0.1 s the average falls by 60 dB in RT60.
    early, late = energy[1600:2400].mean(), energy[6400:7200].mean()
    assert 10 * np.log10(early / late) == pytest.approx(60.0 * 0.3 / rt60_s, abs=1.0)
    assert energy[0] == 1.0
    # Critical distance 0.057·√(V/RT60): direct and diffuse sound are equal there.
    ratio_db = 10 * np.log10(energy[1:].sum())
    assert ratio_db == pytest.approx(20 * np.log10(distance_m / (0.057 * np.sqrt(volume_m3 / rt60_s))), abs=1.5)


def test_a_room_splits_speech_into_early_and_late():
    room = make_room(random(), 0.5, 3.0, 80.0, SAMPLE_RATE_HZ)
    impulse = np.zeros(9000, np.float32)
    impulse[100] = 1.0
    full, early = room.apply(impulse)
    edge = 100 + round(EARLY_S * SAMPLE_RATE_HZ)
    assert np.allclose(full[:edge], early[:edge], atol=1e-5)
    assert np.abs(early[edge:]).max() < 1e-5 < np.abs(full[edge:]).max()


def test_noise_is_added_at_the_ratio_asked_for():
    speech, noise = random().normal(size=(2, 8000)).astype(np.float32)
    added = add_noise(speech, noise, 7.0) - speech
    assert 10 * np.log10(np.square(speech).mean() / np.square(added).mean()) == pytest.approx(7.0, abs=1e-3)


def test_silent_ends_are_cut_and_editions_are_read_once(corpus):
    assert trim(np.array([0, 0, 0.5, 0, -0.5, 0], np.float32)).tolist() == [0.5, 0.0, -0.5]
    once, twice = (read_speakers([corpus] * times, tempos=(1.0,)) for times in (1, 2))
    assert [len(clips) for clips in once] == [len(clips) for clips in twice] == [6, 6, 6]


def test_batches_depend_on_seed_and_step_alone(corpus):
    config = MixtureConfig(segment_s=0.5, noises=4, rooms=2, noise_s=1.0)
    draws = [MixtureSampler([corpus], config, seed).draw(step, 3) for seed, step in ((1, 5), (1, 5), (1, 6), (2, 5))]
    assert draws[0][0].shape == draws[0][1].shape == (3, 8000)
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert not np.array_equal(draws[0], draws[3])


def test_untouched_speech_is_its_own_target(corpus):
    heard, wanted = MixtureSampler([corpus], MixtureConfig(0.5, clean=1.0, noises=1, rooms=1), 0).draw(0, 2)
    assert np.array_equal(heard, wanted)


def test_test_mixtures_are_deterministic_and_hold_what_they_say(corpus):
    part = corpus.partition("test")
    first, again = (next(make_mixtures(part, seed=3)) for _ in range(2))
    assert [mixture.condition for mixture in first] == list(CONDITIONS)
    assert all(np.array_equal(a.heard, b.heard) for a, b in zip(first, again, strict=True))
    clean = {mixture.condition: mixture for mixture in first}["clean"]
    assert np.array_equal(clean.heard, clean.wanted)


def test_doing_nothing_gains_nothing(corpus):
    reports = {report.condition: report for report in evaluate_denoiser(lambda heard: heard, corpus, 0)}
    assert all(report.gain_db.value == 0.0 for report in reports.values())
    assert reports["clean"].after_db.value == PERFECT_DB
    assert -5.0 < reports["noise"].before_db < 20.0
    assert reports["noise"].families.keys() == UNSEEN_FAMILIES.keys()


def test_the_interval_covers_the_mean():
    interval = mean_with_interval(random().normal(5.0, 2.0, 400))
    assert interval.low < interval.value < interval.high
    assert interval.high - interval.low == pytest.approx(4 * 2.0 / 20, rel=0.2)
