"""Encrypted files: what is written is read, from anywhere, and nothing else is."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.jobs.cipher import (
    CHUNK_BYTES,
    SALT_BYTES,
    TAG_BYTES,
    EncryptedReader,
    EncryptedWriter,
    SpoolDamagedError,
    new_key,
)
from service.jobs.keys import KeyWrap

KEY = b"k" * 32
SECRET = "s" * 32
CONTENT = bytes(range(256)) * 1000  # four chunks, the last one not full


def write(path, content, key=KEY, piece=100_000):
    with EncryptedWriter(path, key) as writer:
        for start in range(0, len(content), piece):
            writer.write(content[start : start + piece])
        writer.finish()
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(tmp_path_factory.mktemp("spool") / "upload", CONTENT)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_is_written_is_read(tmp_path, size):
    content = (CONTENT * 2)[:size]
    with EncryptedReader(write(tmp_path / "file", content), KEY) as reader:
        assert len(reader) == size
        assert reader.read_all() == content
        assert reader.read(0, size + 10) == content


@given(st.integers(0, len(CONTENT) + 10), st.integers(0, 200_000))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_range_can_be_read(file, start, size):
    with EncryptedReader(file, KEY) as reader:
        assert reader.read(start, size) == CONTENT[start : start + size]


def test_nothing_of_the_content_is_in_the_file(tmp_path):
    canary = b"CanaryPatientDoe1961" * 5000
    stored = write(tmp_path / "file", canary).read_bytes()
    assert b"Canary" not in stored
    assert len(set(stored[SALT_BYTES : SALT_BYTES + 4096])) > 200  # of 256 values: no structure is left


def test_two_files_of_the_same_content_have_nothing_in_common(tmp_path):
    one, other = write(tmp_path / "a", CONTENT).read_bytes(), write(tmp_path / "b", CONTENT).read_bytes()
    assert one[:SALT_BYTES] != other[:SALT_BYTES]
    assert one[SALT_BYTES : SALT_BYTES + 32] != other[SALT_BYTES : SALT_BYTES + 32]


STORED = CHUNK_BYTES + TAG_BYTES


@pytest.mark.parametrize(
    "damage",
    {
        "a bit": lambda data: data[:5000] + bytes([data[5000] ^ 1]) + data[5001:],
        "the last chunk is gone": lambda data: data[: SALT_BYTES + 3 * STORED],
        "the end is gone": lambda data: data[:-1],
        "two chunks are swapped": lambda data: (
            data[:SALT_BYTES]
            + data[SALT_BYTES + STORED : SALT_BYTES + 2 * STORED]
            + data[SALT_BYTES : SALT_BYTES + STORED]
            + data[SALT_BYTES + 2 * STORED :]
        ),
        "another salt": lambda data: b"\0" * SALT_BYTES + data[SALT_BYTES:],
    }.items(),
    ids=lambda damage: damage[0],
)
def test_damage_is_seen(tmp_path, file, damage):
    path = tmp_path / "upload"
    path.write_bytes(damage[1](file.read_bytes()))
    with EncryptedReader(path, KEY) as reader, pytest.raises(SpoolDamagedError):
        reader.read_all()


def test_another_key_another_name_and_no_file_are_refused(tmp_path, file):
    with EncryptedReader(file, b"x" * 32) as reader, pytest.raises(SpoolDamagedError):
        reader.read(0, 10)
    renamed = tmp_path / "result"
    renamed.write_bytes(file.read_bytes())
    with EncryptedReader(renamed, KEY) as reader, pytest.raises(SpoolDamagedError):
        reader.read(0, 10)
    for content in (b"", b"short"):
        renamed.write_bytes(content)
        with pytest.raises(SpoolDamagedError):
            EncryptedReader(renamed, KEY)
    with pytest.raises(SpoolDamagedError):
        EncryptedReader(tmp_path / "nothing", KEY)


def test_a_file_is_readable_by_its_owner_alone(file):
    assert file.stat().st_mode & 0o777 == 0o600


def test_keys_are_wrapped_by_the_operators_secret():
    key = new_key()
    wrap = KeyWrap(SECRET)
    wrapped = wrap.wrap(key, "job")
    assert key not in wrapped
    assert wrap.unwrap(wrapped, "job") == key
    for other, handle in ((KeyWrap("t" * 32), "job"), (wrap, "other"), (KeyWrap(None), "job")):
        with pytest.raises(SpoolDamagedError):
            other.unwrap(wrapped, handle)


def test_a_destroyed_key_opens_nothing():
    for wrap in (KeyWrap(None), KeyWrap(SECRET)):
        with pytest.raises(SpoolDamagedError):
            wrap.unwrap(None, "job")
    assert KeyWrap(None).unwrap(KeyWrap(None).wrap(KEY, "job"), "job") == KEY


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="EMOSERVE_SPOOL_KEY"):
        KeyWrap("short")
