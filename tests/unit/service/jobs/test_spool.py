"""Folders of jobs: whole files or none, room that is left, nothing left behind."""

import os
import shutil
from types import SimpleNamespace

import pytest

from service.jobs import files
from service.jobs import spool as module
from service.jobs.cipher import SpoolDamagedError
from service.jobs.files import PartFiles
from service.jobs.ownership import StateLock, StateLockedError
from service.jobs.spool import RESULT, Spool
from service.problems import NoSpace

KEY = b"k" * 32


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def test_files_are_stored_replaced_and_removed(spool):
    job = spool.create_job("job", KEY)
    job.store("part-0", b"first")
    job.store("part-0", b"second")
    assert job.read("part-0") == b"second"
    assert job.has("part-0")
    job.remove("part-0")
    job.remove("part-0")
    assert not job.has("part-0")
    with pytest.raises(SpoolDamagedError):
        job.read("part-0")


def test_a_write_that_was_cut_off_leaves_the_file_as_it_was(spool, monkeypatch):
    job = spool.create_job("job", KEY)
    job.store("part-0", b"first")

    def fail(_file):
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(module.EncryptedWriter, "finish", fail)
        with pytest.raises(NoSpace):
            job.store("part-0", b"second")
    assert job.read("part-0") == b"first"
    job.store("part-0", b"third")
    assert job.read("part-0") == b"third"


def test_a_file_gets_its_name_when_the_disk_has_it_and_then_the_disk_has_the_name(spool, tmp_path, monkeypatch):
    """A written file must outlast a power failure: the ledger relies on it right afterwards."""
    job, folder, synced = spool.create_job("job", KEY), tmp_path / "spool" / "job", []

    def sync(descriptor):
        synced.append((os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")), sorted(os.listdir(folder))))

    monkeypatch.setattr(os, "fsync", sync)
    job.store("part-0", b"content")
    assert synced == [("part-0.new", ["part-0.new"]), ("job", ["part-0"])]


def test_a_job_is_destroyed_but_for_what_is_kept(spool, tmp_path):
    job = spool.create_job("job", KEY)
    for name in ("upload", RESULT, "part-0"):
        job.store(name, b"content")
    spool.destroy("job", keep=RESULT)
    assert [path.name for path in (tmp_path / "spool" / "job").iterdir()] == [RESULT]
    spool.destroy("job")
    assert spool.handles() == []
    spool.destroy("job")
    spool.destroy("job", keep=RESULT)


def test_a_deleted_folder_takes_no_more_files(spool):
    job = spool.create_job("job", KEY)
    spool.destroy("job")
    with pytest.raises(SpoolDamagedError):
        job.store("part-0", b"content")
    assert spool.handles() == []


def test_a_full_disk_is_told_before_it_is_full(spool, monkeypatch):
    free = module.RESERVE_BYTES + 100
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))
    spool.check_space(100)
    with pytest.raises(NoSpace):
        spool.check_space(101)


def test_folders_are_for_this_user_alone(spool, tmp_path):
    spool.create_job("job", KEY)
    (tmp_path / "spool" / "lock").touch()  # as the service's own lock
    assert spool.handles() == ["job"]
    for folder in (tmp_path / "spool", tmp_path / "spool" / "job"):
        assert folder.stat().st_mode & 0o077 == 0


def test_what_the_last_segment_began_with_is_kept(spool):
    files = PartFiles(spool.create_job("job", KEY), "speech")
    assert files.state(0) is None
    for number in range(4):
        files.store(number, {"number": number}, {"after": number} if number < 3 else None)
    assert files.state(3) == {"after": 2}  # the last step may be done anew
    with pytest.raises(SpoolDamagedError):
        files.state(2)
    assert [record["number"] for record in files.records()] == [0, 1, 2, 3]


def test_a_state_folder_is_one_services(tmp_path):
    lock = StateLock(tmp_path / "state", "EMOSERVE_STATE_DIR")
    with pytest.raises(StateLockedError, match="EMOSERVE_STATE_DIR"):
        StateLock(tmp_path / "state", "EMOSERVE_STATE_DIR")
    lock.release()
    StateLock(tmp_path / "state", "EMOSERVE_STATE_DIR").release()


def test_the_newest_lease_goes_before_and_nobody_touches_what_another_wrote(spool):
    spool.create_job("job", KEY).store("part-0", b"of nobody's lease")
    first, second = (spool.open_job("job", KEY, lease) for lease in (1, 2))
    assert first.read("part-0") == second.read("part-0") == b"of nobody's lease"
    second.store("part-0", b"second")
    first.store("part-0", b"first")  # it has lost the job, and does not know
    assert (first.read("part-0"), second.read("part-0")) == (b"first", b"second")
    assert spool.open_job("job", KEY, 3).read("part-0") == b"second"
    first.remove("part-0")
    assert (first.read("part-0"), second.read("part-0")) == (b"of nobody's lease", b"second")
    spool.destroy("job", keep="part-0", lease=2)
    assert [second.written_by("part-0"), first.written_by("part-0")] == [2, None]


def test_a_record_behind_the_end_by_a_lost_lease_is_none(spool):
    spool.create_job("job", KEY)
    first, second = (PartFiles(spool.open_job("job", KEY, lease), "speech") for lease in (1, 2))
    for number in range(3):
        first.store(number, {"by": 1, "number": number}, {})
    for number in (1, 2):
        second.store(number, {"by": 2, "number": number}, {})
    first.store(3, {"by": 1, "number": 3}, {})
    assert [(one["by"], one["number"]) for one in second.records()] == [(1, 0), (2, 1), (2, 2)]


def test_two_shapes_write_side_by_side(spool, monkeypatch):
    spool.create_job("job", KEY)
    old, new = spool.open_job("job", KEY, 1), spool.open_job("job", KEY, 2)
    PartFiles(old, "speech").store(0, {"shape": "old"}, {})
    files.mark_shape(old)
    assert files.has_this_shape(new)
    monkeypatch.setattr(files, "SHAPE", "new")
    assert not files.has_this_shape(new)
    files.unmark_shape(new)
    PartFiles(new, "speech").store(0, {"shape": "new"}, {})
    monkeypatch.undo()
    third = spool.open_job("job", KEY, 3)
    assert not files.has_this_shape(third)  # the second was not done with it
    assert list(PartFiles(third, "speech").records()) == [{"shape": "old"}]


def test_every_service_reads_the_same_token(spool, tmp_path):
    assert spool.token() == Spool(tmp_path / "spool").token() != Spool(tmp_path / "other").token()
    assert spool.handles() == []
