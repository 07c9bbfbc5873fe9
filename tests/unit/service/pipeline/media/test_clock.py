"""Positions of blocks of sound, whatever their time stamps say."""

import pytest

from service.pipeline.media.clock import SoundClock
from service.pipeline.results import MAX_SPANS
from service.problems import MediaTooLong

RATE_HZ = 1000


def clock(origin_s=0.0, longest_s=100.0):
    return SoundClock(RATE_HZ, origin_s, round(longest_s * RATE_HZ))


def place_all(one, stamps_s, samples=100):
    return [one.place(stamp_s, samples) for stamp_s in stamps_s]


def test_blocks_that_follow_one_another_stay_as_they_are():
    one = clock()
    assert {(placed.silence, placed.skip) for placed in place_all(one, [0.0, 0.1, 0.2, None, 0.4])} == {(0, 0)}
    assert (one.position, one.gaps, one.repaired) == (500, [], False)


def test_jitter_is_let_pass_and_drift_is_made_good():
    one = clock()
    assert all(not placed.silence and not placed.skip for placed in place_all(one, [0.0, 0.13, 0.17, 0.33]))
    assert one.position == 400
    drifting = clock()
    placed = place_all(drifting, [index * 0.101 for index in range(100)])
    assert 55 <= sum(each.silence for each in placed) <= 100
    assert abs(drifting.position - 99 * 101 - 100) <= 41


def test_a_late_start_and_a_gap_are_silence():
    one = clock(origin_s=5.0)
    placed = place_all(one, [6.5, 6.6, 8.0])
    assert [each.silence for each in placed] == [1500, 0, 1300]
    assert one.gaps == [(0.0, 1.5), (1.7, 3.0)]
    assert (one.position, one.sound_begins) == (3100, 1500)


def test_without_an_origin_the_first_block_is_the_beginning():
    one = clock(origin_s=None)
    assert place_all(one, [4000.0, 4000.1])[0].silence == 0
    assert one.gaps == []


def test_what_overlaps_is_left_out_and_flagged():
    one = clock()
    placed = place_all(one, [0.0, 0.1, 0.12, 0.22])
    assert [each.skip for each in placed] == [0, 0, 80, 0]
    assert one.repaired


def test_a_clock_that_is_set_anew_goes_on_with_its_gaps():
    one = clock()
    placed = place_all(one, [10.0, 10.1, 0.0, 0.1, 1.0])
    assert [each.silence for each in placed] == [10_000, 0, 0, 0, 800]
    assert [each.skip for each in placed] == [0] * 5
    assert one.repaired


def test_one_wrong_stamp_leaves_no_gap():
    one = clock()
    placed = place_all(one, [5.0, 5.1, 0.0, 5.3, 5.4])
    assert [each.silence for each in placed] == [5000, 0, 0, 0, 0]
    assert one.position == 5500


@pytest.mark.parametrize("stamp_s", [101.0, 1e9, 1e300, float("inf")])
def test_a_jump_of_hours_makes_no_silence(stamp_s):
    one = clock()
    one.place(0.0, 100)
    with pytest.raises(MediaTooLong):
        one.place(stamp_s, 100)
    assert one.position == 100


def test_the_end_of_other_tracks_is_silence():
    one = clock(origin_s=1.0)
    one.place(1.0, 1000)
    assert one.fill(2.03) == 0
    assert one.fill(3.0) == 1000
    assert one.gaps == [(1.0, 2.0)]
    with pytest.raises(MediaTooLong):
        one.fill(1e9)


def test_gaps_are_told_up_to_a_number():
    one = clock(longest_s=1000.0)
    place_all(one, [index * 0.5 for index in range(3 * MAX_SPANS)])
    assert len(one.gaps) == MAX_SPANS
    assert one.gaps[-1][1] == pytest.approx(0.5 * (3 * MAX_SPANS - 1))


def test_short_stretches_without_sound_are_not_told():
    one = clock(longest_s=10.0)
    place_all(one, [0.0, 0.1 + 0.2, 0.4 + 0.3])
    assert len(one.gaps) == 1
