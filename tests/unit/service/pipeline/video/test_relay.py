"""The thread beside: order, batches, failures and its end."""

import threading

import pytest

from service.pipeline.video.relay import Relay
from tests.support.patience import HANG_S


class BrokenError(Exception):
    pass


def alive(name):
    return any(thread.name == name for thread in threading.enumerate())


def test_everything_is_handled_in_order_and_in_batches():
    batches = []
    with Relay(batches.append, capacity=3, batch=3, name="relay-order") as relay:
        for item in range(10):
            relay.put(item)
    assert batches == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert not alive("relay-order")


def test_who_puts_waits_while_the_queue_is_full():
    may_handle, put = threading.Event(), []
    with Relay(lambda _: may_handle.wait(HANG_S), capacity=2, name="relay-full") as relay:

        def fill():
            for item in range(5):
                relay.put(item)
                put.append(item)

        filling = threading.Thread(target=fill)
        filling.start()
        filling.join(0.2)
        assert filling.is_alive()
        assert len(put) <= 3
        may_handle.set()
        filling.join(HANG_S)
    assert put == list(range(5))


def test_a_failure_is_raised_where_items_come_from_and_ends_the_thread():
    handled = []

    def handle(items):
        handled.extend(items)
        raise BrokenError

    def feed():
        with Relay(handle, capacity=1, name="relay-broken") as relay:
            for item in range(100):
                relay.put(item)

    with pytest.raises(BrokenError):
        feed()
    assert handled == [0]
    assert not alive("relay-broken")


def test_a_failure_on_the_last_item_is_raised_at_the_end():
    def handle(_):
        raise BrokenError

    with pytest.raises(BrokenError), Relay(handle, capacity=4, batch=4, name="relay-last") as relay:
        relay.put(1)
    assert not alive("relay-last")


def test_what_waits_is_dropped_when_the_source_fails():
    handled, began, may_end = [], threading.Event(), threading.Event()

    def handle(items):
        began.set()
        may_end.wait(HANG_S)
        handled.extend(items)

    def feed():
        with Relay(handle, capacity=3, name="relay-dropped") as relay:
            for item in range(3):
                relay.put(item)
            assert began.wait(HANG_S)
            threading.Timer(0.1, may_end.set).start()
            raise BrokenError

    with pytest.raises(BrokenError):
        feed()
    assert handled == [0]
    assert not alive("relay-dropped")


def test_a_batch_has_to_fit_the_queue():
    with pytest.raises(ValueError, match="batch"):
        Relay(print, capacity=2, batch=3, name="relay-short")
