"""Decoding from a source of bytes: the samples and frames of an upload, in pieces, and no trust in who asks."""

import io

import numpy as np
import pytest

from service.pipeline.decoding.outline import HEAD_BYTES, outline
from service.pipeline.decoding.playback import Playback, PlaybackClosedError
from service.pipeline.decoding.remote_file import PIECE_BYTES, answer_read, open_remote
from service.pipeline.media.intake import sniff
from service.problems import ContainerUnsupported, MediaEmpty, MediaTruncated, NoVideoStream, Problem
from tests import media_files as files
from tests.support.long_recordings import Bytes


def after_long_tag(mp3: bytes) -> bytes:
    """The frames of ``mp3`` behind an ID3v2 tag of 2 MiB, in place of its own."""
    first = mp3.index(b"\xff\xfb")
    return b"ID3\x04\0\0\x01\0\0\0" + bytes(2 * 1024 * 1024) + mp3[first:]


TONE = files.tone(20.0, channels=2)
RECORDINGS = {
    "wav": files.wav(TONE),
    "24 bits": files.wav(TONE, codec="pcm_s24le"),
    "flac": files.flac(TONE),
    "opus": files.ogg_opus(files.tone(20.0, 48_000)),
    "mp3": files.mp3(files.tone(20.0, 44_100)),
    "mp3 after 2 MiB of tags": after_long_tag(files.mp3(files.tone(20.0, 44_100))),
    "m4a": files.m4a(files.tone(20.0, 44_100)),
    "webm": files.webm(files.tone(20.0, 48_000)),
}


def all_of(playback):
    items = []
    while (item := playback.next()) is not None:
        items.append(item)
    return items


@pytest.mark.parametrize("name", RECORDINGS)
def test_sound_is_that_of_an_upload(decoders, name):
    short, long = decoders
    content = RECORDINGS[name]
    expected = short.audio(content, target_rate_hz=16000)
    source = Bytes(content)
    sound = long.sound(source, target_rate_hz=16000)
    np.testing.assert_array_equal(np.concatenate(all_of(sound), axis=1), expected.samples)
    assert (sound.outcome.media, sound.outcome.flags) == (expected.media, expected.flags)
    assert source.largest <= max(PIECE_BYTES, HEAD_BYTES)
    sound.close()


def test_pictures_are_those_of_an_upload_from_any_frame_on(decoders):
    short, long = decoders
    content = files.video(files.greys(30))
    expected: list[tuple[float, np.ndarray]] = []
    summary = short.video(content, lambda frame: expected.append((frame.time_s, frame.image)), timeout_s=30.0)
    for skipped in (0, 7, 30):
        pictures = long.frames(Bytes(content), skip_frames=skipped)
        found = all_of(pictures)
        assert [frame.time_s for frame in found] == [time_s for time_s, _ in expected[skipped:]]
        for frame, (_, image) in zip(found, expected[skipped:], strict=True):
            np.testing.assert_array_equal(frame.image, image)
        assert pictures.outcome == summary
        pictures.close()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", MediaEmpty),
        (b"RIFF", MediaTruncated),
        (b"no container at all", ContainerUnsupported),
        (RECORDINGS["m4a"][:-100], MediaTruncated),
        (b"\0\0\0\x10ftypM4A " + b"\xff" * 100, Problem),
    ],
)
def test_problems_are_raised_where_the_samples_are_taken(decoders, content, problem):
    sound = decoders[1].sound(Bytes(content), target_rate_hz=16000)
    with pytest.raises(problem):
        all_of(sound)
    sound.close()


def test_sound_alone_has_no_pictures(decoders):
    pictures = decoders[1].frames(Bytes(RECORDINGS["wav"]))
    with pytest.raises(NoVideoStream):
        all_of(pictures)
    pictures.close()


def test_a_decoding_that_is_left_frees_its_process(decoders):
    for _ in range(3):  # of one process: each has to be given back
        sound = decoders[1].sound(Bytes(files.wav(files.tone(300.0))), target_rate_hz=16000)
        assert sound.next() is not None
        sound.close()


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_outline_tells_what_the_file_tells(name):
    assert sniff(outline(Bytes(RECORDINGS[name]))) == sniff(RECORDINGS[name])


def test_the_outline_of_a_large_file_is_read_in_parts():
    content = files.wav(files.tone(200.0))
    source = Bytes(content)
    assert len(outline(source)) == len(content) > 5 * HEAD_BYTES
    assert source.largest == HEAD_BYTES


class Line:
    """A channel whose other side is a source of bytes."""

    def __init__(self, source) -> None:
        self.source = source
        self.answer = b""

    def send(self, message) -> None:
        assert answer_read(message, self, self.source)

    def send_bytes(self, payload) -> None:
        self.answer = bytes(payload)

    def receive_into(self, view) -> None:
        assert len(view) == len(self.answer)
        view[:] = self.answer


def test_a_remote_file_reads_like_any_other():
    content = bytes(range(256)) * 4096
    remote, plain = open_remote(Line(Bytes(content)), len(content)), io.BytesIO(content)
    for file in (remote, plain):
        file.seek(-100, io.SEEK_END)
    assert remote.read() == plain.read()
    for start, size in ((0, 10), (1_000_000, 100_000), (5, 700_000), (len(content), 5), (len(content) + 9, 5)):
        assert remote.seek(start) == plain.seek(start)
        assert remote.read(size) == plain.read(size)
        assert remote.tell() == plain.tell()


@pytest.mark.parametrize(
    "message",
    [
        {"start": -1, "bytes": 5},
        {"start": 0, "bytes": 0},
        {"start": 0, "bytes": PIECE_BYTES + 1},
        {"start": 95, "bytes": 6},
        {"start": "0", "bytes": 5},
        {"start": True, "bytes": 5},
        {"bytes": 5},
    ],
)
def test_a_decoder_that_asks_for_nonsense_is_not_answered(message):
    line = Line(Bytes(bytes(100)))
    with pytest.raises(ValueError, match="impossible"):
        answer_read({"type": "read", **message}, line, line.source)
    assert not line.answer
    assert not answer_read({"type": "samples"}, line, line.source)


def test_a_playback_gives_items_then_the_outcome_or_the_failure():
    def play(put):
        for number in range(5):
            put(number)
        return "end"

    playback = Playback(play, ahead=2, name="test")
    assert all_of(playback) == [0, 1, 2, 3, 4]
    assert playback.next() is None
    assert playback.outcome == "end"

    def fail(put):
        put(1)
        raise KeyError("why")

    playback = Playback(fail, ahead=2, name="test")
    assert playback.next() == 1
    for _ in range(2):
        with pytest.raises(KeyError):
            playback.next()


def test_a_closed_playback_ends():
    ended = []

    def play(put):
        try:
            while True:
                put(0)
        except PlaybackClosedError:
            ended.append(True)
            raise

    playback = Playback(play, ahead=2, name="test")
    assert playback.next() == 0
    playback.close()
    assert ended == [True]
