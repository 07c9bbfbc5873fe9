"""The simulation agrees with what is known of queues in closed form."""

import json

import numpy as np
import pytest

from benchmarks.capacity import RATES, latencies_s, main, replicas_for


def test_one_server_with_exponential_times_is_the_known_queue() -> None:
    """M/M/1: the time in the system is exponential with the rate μ − λ."""
    times_s = np.random.default_rng(1).exponential(0.1, 100_000)
    found_s = latencies_s(6.0, times_s, 1, arrivals=400_000)
    left = 1 / times_s.mean() - 6.0
    assert found_s.mean() == pytest.approx(1 / left, rel=0.05)
    assert np.percentile(found_s, 99) == pytest.approx(np.log(100) / left, rel=0.05)


def test_one_server_with_equal_times_waits_half_as_long() -> None:
    """M/D/1: the mean wait is ρ s / (2 (1 − ρ))."""
    found_s = latencies_s(8.0, np.array([0.1]), 1, arrivals=400_000)
    assert found_s.mean() - 0.1 == pytest.approx(0.8 * 0.1 / (2 * 0.2), rel=0.05)


def test_two_servers_wait_as_the_formula_of_erlang_says() -> None:
    """M/M/2 with ρ = 0.75: the share that waits is 2 ρ² / (1 + ρ), and waits 1 / (2 μ − λ) in the mean."""
    times_s = np.random.default_rng(1).exponential(0.1, 100_000)
    rate = 2 * 0.75 / times_s.mean()
    found_s = latencies_s(rate, times_s, 2, arrivals=400_000)
    waits_s = 2 * 0.75**2 / 1.75 / (2 / times_s.mean() - rate)
    assert found_s.mean() - times_s.mean() == pytest.approx(waits_s, rel=0.05)


def test_the_fewest_replicas_are_enough_and_one_less_is_not() -> None:
    times_s = np.array([0.02, 0.02, 0.02, 0.05])
    for rate in (100.0, 1000.0):
        replicas = replicas_for(rate, times_s, 2, 0.2)
        within = [np.percentile(latencies_s(rate / count, times_s, 2), 99) <= 0.2 for count in (replicas - 1, replicas)]
        assert within == [False, True]
    assert replicas_for(1.0, times_s, 2, 0.2, least=2) == 2
    assert replicas_for(1000.0, times_s, 2, 0.2, most=0.5) == 28  # 1,000 × 27.5 ms / (2 × 0.5), and one for the rest
    with pytest.raises(ValueError, match="longer"):
        replicas_for(1.0, times_s, 2, 0.01)


def test_every_rate_is_told_with_its_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--times-ms", "10", "30", "--price", "0.1", "--cores", "4"]) == 0
    service, *lines = map(json.loads, capsys.readouterr().out.splitlines())
    assert service["value"] == 20.0
    assert [line["requests_per_s"] for line in lines] == list(RATES)
    assert all(line["p99_ms"] <= 1000 and 0 < line["utilisation"] <= 0.8 for line in lines)
    assert [line["cost_a_month"] for line in lines] == [round(line["value"] * 4 * 0.1 * 730) for line in lines]
    assert lines[0]["value"] == 2
