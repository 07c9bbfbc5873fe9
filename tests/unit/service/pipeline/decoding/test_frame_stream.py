"""The service's side of a video that is decoded: what a decoder process may say, and what it may not."""

import socket

import numpy as np
import pytest

from service.pipeline.decoding.frame_stream import FrameReceiver, HandlerFailedError
from service.pipeline.decoding.protocol import Channel
from service.settings import Limits

GOOD = {"type": "frame", "width": 4, "height": 2, "time_s": 0.0, "share": 0.5}
PICTURE = np.arange(24, dtype=np.uint8)


@pytest.fixture
def line():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), theirs


def test_a_frame_is_handed_on(line):
    channel, theirs = line
    frames = []
    theirs.sendall(PICTURE.tobytes())
    FrameReceiver(Limits(), frames.append).receive(dict(GOOD), channel)
    np.testing.assert_array_equal(frames[0].image, PICTURE.reshape(2, 4, 3))
    assert (frames[0].time_s, frames[0].share) == (0.0, 0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "samples"},
        {"width": 0},
        {"width": 641},
        {"width": 4.0},
        {"width": True},
        {"height": -2},
        {"height": 10**9},
        {"height": None},
        {"time_s": -1.0},
        {"time_s": float("nan")},
        {"time_s": 1e9},
        {"time_s": "0"},
        {"share": float("inf")},
        {"share": None},
    ],
)
def test_what_no_decoder_says_ends_it(line, change):
    channel, _ = line
    frames = []
    with pytest.raises(ValueError, match="an impossible frame"):
        FrameReceiver(Limits(), frames.append).receive(GOOD | change, channel)
    assert frames == []


def test_time_must_go_on_and_frames_are_counted(line):
    channel, theirs = line
    theirs.sendall(3 * PICTURE.tobytes())
    receiver = FrameReceiver(Limits(max_frames=2), lambda _: None)
    receiver.receive(dict(GOOD), channel)
    with pytest.raises(ValueError, match="impossible"):
        receiver.receive(dict(GOOD), channel)
    other = FrameReceiver(Limits(max_frames=1), lambda _: None)
    other.receive(dict(GOOD), channel)
    with pytest.raises(ValueError, match="impossible"):
        other.receive(GOOD | {"time_s": 1.0}, channel)


def test_what_the_receiver_raises_is_not_taken_for_the_decoders(line):
    channel, theirs = line
    theirs.sendall(PICTURE.tobytes())

    def fail(frame):
        raise ValueError("mine")

    with pytest.raises(HandlerFailedError) as caught:
        FrameReceiver(Limits(), fail).receive(dict(GOOD), channel)
    assert str(caught.value.__cause__) == "mine"
