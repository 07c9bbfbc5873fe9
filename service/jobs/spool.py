"""The spool: a folder for each job with its recording, partial results and result, every file encrypted."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from service.jobs.cipher import EncryptedReader, EncryptedWriter, SpoolDamagedError
from service.problems import NoSpace

UPLOAD: Final = "upload"
RESULT: Final = "result"

RESERVE_BYTES: Final = 256 * 1024 * 1024
"""Disk space that uploads never use: a full disk stops more than this service."""

BALLAST_BYTES: Final = 256 * 1024
"""Size of the ballast: some pages of a journal and of the database."""

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Spool:
    """The folders of all jobs.

    Args:
        folder: parent of the folders; made for this user alone if it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def check_space(self, size_bytes: int) -> None:
        """Check that ``size_bytes`` more fit on the disk. Raises NoSpace if they do not."""
        if shutil.disk_usage(self._folder).free < size_bytes + RESERVE_BYTES:
            raise NoSpace

    def open_job(self, handle: str, key: bytes, lease: int | None = None) -> JobSpool:
        """The files of one job, as the holder of its ``lease`` sees them."""
        return JobSpool(self._folder / handle, key, lease)

    def create_job(self, handle: str, key: bytes) -> JobSpool:
        """Make the folder of a new job. Raises NoSpace if the disk is full."""
        with no_space():
            (self._folder / handle).mkdir(mode=0o700)
        return self.open_job(handle, key)

    def destroy(self, handle: str, *, keep: str | None = None, lease: int | None = None) -> None:
        """Delete the files of a job, or all but ``keep`` as the holder of ``lease`` wrote it."""
        folder = self._folder / handle
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
            return
        kept = _file_name(keep, lease)
        with contextlib.suppress(FileNotFoundError):
            for path in folder.iterdir():
                if path.name != kept:
                    path.unlink(missing_ok=True)

    def is_older(self, handle: str, than_s: float) -> bool:
        """Whether nothing of a job's folder was written after ``than_s``, seconds since the Unix epoch."""
        folder = self._folder / handle
        try:
            return all(path.stat().st_mtime <= than_s for path in (folder, *folder.iterdir()))
        except FileNotFoundError:  # changed just now
            return False

    def token(self) -> str:
        """A random text that whoever has this very folder reads, made by the first who asks."""
        return self._first_text("token", secrets.token_hex(16))

    def database(self, name: str) -> str:
        """Name of the database that the folder belongs to: ``name``, where no other came first."""
        return self._first_text("database", name)

    def _first_text(self, file: str, text: str) -> str:
        """Content of a file of the folder, whole as soon as it is there; ``text`` makes it where it is missing."""
        path = self._folder / file
        if not path.exists():
            unfinished = self._folder / f"{file}.{secrets.token_hex(8)}"
            unfinished.write_text(text)
            with contextlib.suppress(FileExistsError):
                os.link(unfinished, path)
            unfinished.unlink()
        return path.read_text()

    def handles(self) -> list[str]:
        """Handles of the jobs that have a folder."""
        return [path.name for path in self._folder.iterdir() if path.is_dir()]

    def size_bytes(self) -> int:
        """Size of all files in bytes; files deleted meanwhile may be missing."""
        size = 0
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                size += path.stat().st_size
        return size


class Ballast:
    """A file that is deleted when the disk is full, so that the jobs' database can note deletions.

    Args:
        folder: of the database; None where it lies elsewhere.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / "ballast"
        self.lay()

    def lay(self) -> None:
        """Write the file, if it is missing and there is room."""
        if self._path is None or self._path.exists():
            return
        try:
            if shutil.disk_usage(self._path.parent).free > 2 * BALLAST_BYTES:
                self._path.write_bytes(bytes(BALLAST_BYTES))
        except OSError:
            self.drop()

    def drop(self) -> None:
        """Delete the file."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _file_name(name: str, lease: int | None) -> str:
    return name if lease is None else f"{name}~{lease}"


class JobSpool:
    """The files of one job.

    With a lease, every file is written under a name of that lease, and read from the newest lease that wrote it. A
    holder that has lost its lease without noticing overwrites and deletes nothing therefore.

    Attributes:
        lease: number of the lease; None where one process works on all jobs.
    """

    def __init__(self, folder: Path, key: bytes, lease: int | None = None) -> None:
        self._folder = folder
        self._key = key
        self.lease = lease

    def write_upload(self) -> EncryptedWriter:
        """Open the file of the upload for writing. Raises NoSpace if the disk is full."""
        with no_space():
            return EncryptedWriter(self._folder / UPLOAD, self._key)

    def open(self, name: str) -> EncryptedReader:
        """Open a file for reading. Raises SpoolDamagedError if it is missing or damaged."""
        return EncryptedReader(self._folder / _file_name(name, self.written_by(name) or None), self._key, name)

    def read(self, name: str) -> bytes:
        """The whole content of a file. Raises SpoolDamagedError if it is missing or damaged."""
        with self.open(name) as reader:
            return reader.read_all()

    def store(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all, and wait until it is on the disk.

        Raises:
            NoSpace: the disk is full.
        """
        path = self._folder / _file_name(name, self.lease)
        unfinished = path.with_name(f"{path.name}.new")
        with no_space():
            unfinished.unlink(missing_ok=True)
            with EncryptedWriter(unfinished, self._key, name) as writer:
                writer.write(content)
                writer.finish()
            unfinished.replace(path)
            _sync_folder(self._folder)

    def has(self, name: str) -> bool:
        """Whether the file exists."""
        return self.written_by(name) is not None

    def written_by(self, name: str) -> int | None:
        """Newest lease up to this one under which the file was written, 0 where it was none; None without the file."""
        for lease in range(self.lease or 0, -1, -1):
            if (self._folder / _file_name(name, lease or None)).exists():
                return lease
        return None

    def remove(self, name: str) -> None:
        """Delete a file, if it exists and was written under this lease."""
        (self._folder / _file_name(name, self.lease)).unlink(missing_ok=True)


@contextmanager
def no_space() -> Iterator[None]:
    """Translate errors of writing in a ``with`` block.

    Raises:
        NoSpace: the disk is full.
        SpoolDamagedError: the job's folder was deleted meanwhile.
    """
    try:
        yield
    except FileNotFoundError:
        raise SpoolDamagedError from None
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise NoSpace from None
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
