import struct

import pytest

from service import problems
from service.pipeline.media.intake import sniff
from service.pipeline.media.wav import read_layout
from tests import media_files as files

TONE = files.tone(0.2)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (files.wav(TONE), "wav"),
        (files.flac(TONE), "flac"),
        (files.ogg_opus(TONE), "ogg"),
        (files.mp3(TONE), "mp3"),
        (files.m4a(TONE), "mp4"),
        (files.mov(TONE), "mp4"),
        (files.webm(TONE), "webm"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_container_is_told_by_its_content(data, name):
    assert sniff(data).name == name
    assert sniff(memoryview(data)).name == name


def test_mp3_is_found_with_and_without_tags():
    tagged = files.mp3(TONE, metadata={"title": "x"})
    assert tagged.startswith(b"ID3")
    size = 10 + int.from_bytes(bytes([tagged[8], tagged[9]]), "big")
    bare = tagged[size:]
    assert bare[0] == 0xFF
    assert sniff(bare).name == "mp3"


FOREIGN = {
    "RIFF of another kind": b"RIFF" + struct.pack("<I", 100) + b"ACON" + bytes(100),
    "UTF-16 text": "\ufefftext that goes on for a while".encode("utf-16"),
    "still image": struct.pack(">I4s4sI", 24, b"ftyp", b"avif", 0) + b"mif1avif" + bytes(80),
    "other EBML": b"\x1a\x45\xdf\xa3\x87\x42\x82\x84junk" + bytes(64),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_on_the_list_is_refused(name):
    with pytest.raises(problems.ContainerUnsupported):
        sniff(FOREIGN[name])


@pytest.mark.parametrize("head", [b"R", b"RIFF", b"RIFF\0\0\0\0WA", b"fL", b"Ogg", b"\x1a\x45", b"\0\0\0\x18ftyp"])
def test_the_beginning_of_a_container_is_cut_off(head):
    with pytest.raises(problems.MediaTruncated):
        sniff(head)


def test_every_prefix_and_many_mutations_raise_problems_only():
    originals = [files.wav(TONE), files.m4a(TONE), files.mp3(TONE), files.webm(TONE)]
    for data in originals:
        cases = [data[:length] for length in range(0, len(data), 97)]
        cases += [files.flipped(data, seed, first=0) for seed in range(200)]
        for case in cases:
            try:
                name = sniff(case).name
            except (problems.UnsupportedContentType, problems.Unprocessable):
                continue
            assert name in ("wav", "mp4", "mp3", "webm")


def test_wav_layout_counts_bytes_that_are_there():
    layout = read_layout(memoryview(files.wav(files.tone(0.1, channels=2)) + b"\x01"))
    assert (layout.channels, layout.sample_rate_hz, layout.frame_bytes) == (2, 16_000, 4)
    assert (layout.data_start, layout.data_bytes, layout.truncated) == (44, 1600 * 4, False)


@pytest.mark.parametrize(
    ("claimed", "truncated"), [(0xFFFFFFFF, False), (0x7FFFFFFF, False), (5000, True), (3201, True)]
)
def test_wav_length_beyond_the_end(claimed, truncated):
    layout = read_layout(memoryview(files.wav(files.tone(0.1), claimed_bytes=claimed)))
    assert (layout.data_bytes, layout.truncated) == (3200, truncated)


def test_wav_with_an_empty_data_chunk_before_another_is_empty():
    with pytest.raises(problems.MediaEmpty):
        sniff(files.wav_of(b"", after=files.chunk(b"LIST", b"INFOabcd")))


def test_wav_extensible_is_told_by_its_subformat():
    assert read_layout(memoryview(files.wav(TONE, codec="pcm_f32le", extensible=True))).codec == "pcm_f32le"


def test_wav_with_a_million_chunks_is_refused_quickly():
    with pytest.raises(problems.MediaInvalid):
        sniff(files.wav_of(b"", before=b"junk\0\0\0\0" * 1_000_000))


def test_mp4_lists_its_tracks():
    assert sniff(files.encode("mp4", "aac", files.tone(0.1), 44_100, tracks=3)).tracks == 3


def test_mp4_that_refers_elsewhere_is_refused():
    reference_movie = struct.pack(">I4sI4s", 16, b"moov", 8, b"rmra")
    with pytest.raises(problems.MediaExternalReference):
        sniff(reference_movie)
