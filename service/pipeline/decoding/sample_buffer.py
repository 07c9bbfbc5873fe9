"""Decoded sound on its way into a request: collected in place, within a budget that all requests share."""

import mmap
import threading
import time
import weakref
from typing import Any, Final

import numpy as np

from service.pipeline.decoding.decoder_messages import announced_samples
from service.pipeline.decoding.protocol import Channel
from service.pipeline.device.account import Holdings, current_account
from service.pipeline.device.task import WAKE_S, Cancelled
from service.pipeline.results import FloatArray
from service.problems import CapacityExceeded, MediaInvalid, MediaTooLong

PIECE_BYTES: Final = 4 * 1024 * 1024
"""Bytes taken from the budget at once."""

RETRY_AFTER_S: Final = 5.0

_MAP_NORESERVE: Final = 0x4000  # linux/mman.h; Python names it from 3.13 on


class BudgetSpent(CapacityExceeded):
    """Other requests hold too much decoded sound at present."""


class DecodedBudget:
    """Bytes of decoded sound that all requests together may hold. Thread-safe.

    Args:
        limit_bytes: all of it; one account may hold a share.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._holdings = Holdings(limit_bytes)
        self.most_bytes = int(self._holdings.most)
        self._lock = threading.Condition()
        self._used_bytes = 0

    @property
    def used_bytes(self) -> int:
        """Held at present."""
        with self._lock:
            return self._used_bytes

    def take(self, size: int, held: int, owner: str) -> None:
        """Take ``size`` more bytes for a request of ``owner`` that already holds ``held``.

        Raises:
            MediaTooLong: no budget of this size could hold the recording.
            BudgetSpent: other requests hold too much at present.
        """
        if held + size > self.most_bytes:
            raise MediaTooLong(
                "The chosen channels of the recording take more memory than a request may have. "
                "Choose one channel or a range, or send it as a job (POST /v1/jobs/audio-emotion)."
            )
        with self._lock:
            if not self._fits(size, owner):
                raise BudgetSpent(retry_after_s=RETRY_AFTER_S)
            self._used_bytes += size
            self._holdings.add(owner, size)

    def wait_for(self, size: int, ends_at: float, cancel: threading.Event | None) -> None:
        """Wait until ``size`` bytes fit, on the current account; they are not taken.

        Raises:
            BudgetSpent: they did not fit before ``ends_at``, by :func:`time.monotonic`.
            Cancelled: ``cancel`` was set.
        """
        owner = current_account().name
        with self._lock:
            while not self._fits(size, owner):
                if cancel is not None and cancel.is_set():
                    raise Cancelled
                if time.monotonic() >= ends_at:
                    raise BudgetSpent(retry_after_s=RETRY_AFTER_S)
                self._lock.wait(WAKE_S)

    def _fits(self, size: int, owner: str) -> bool:
        return self._used_bytes + size <= self.limit_bytes and self._holdings.fits(owner, size)

    def give_back(self, size: int, owner: str) -> None:
        """Give ``size`` bytes of ``owner`` back."""
        with self._lock:
            self._used_bytes -= size
            self._holdings.add(owner, -size)


def budgeted_samples(budget: DecodedBudget, channels: int, samples: int, *, beside_bytes: int) -> FloatArray:
    """Zeros, float32 [channels, samples], of a budget that gets them back when the last view of them is gone.

    Args:
        budget: shared with other requests.
        channels, samples: the shape.
        beside_bytes: what the same request already holds.

    Raises:
        MediaTooLong, BudgetSpent: as of :meth:`DecodedBudget.take`.
    """
    size, owner = 4 * channels * samples, current_account().name
    budget.take(size, beside_bytes, owner)
    array: FloatArray = np.zeros((channels, samples), np.float32)
    weakref.finalize(array, budget.give_back, size, owner)
    return array


class _Holding:
    """One request's share of a budget, given back once."""

    def __init__(self, budget: DecodedBudget) -> None:
        self._budget = budget
        self._owner = current_account().name
        self.bytes = 0

    def grow_to(self, size: int) -> None:
        if size > self.bytes:
            more = -(-(size - self.bytes) // PIECE_BYTES) * PIECE_BYTES
            more = max(size - self.bytes, min(more, self._budget.most_bytes - self.bytes))
            self._budget.take(more, self.bytes, self._owner)
            self.bytes += more

    def release(self) -> None:
        self._budget.give_back(self.bytes, self._owner)
        self.bytes = 0


class SampleBuffer:
    """Collects blocks of samples as they arrive, each at its place, so that nothing is copied or grown.

    Address space for the longest recording is reserved; memory is used only for what has arrived. The budget is given
    back when the last array over the samples is gone. A decoder process that sends more than ``max_channels`` or
    ``max_samples`` has gone wrong.
    """

    def __init__(self, max_channels: int, max_samples: int, budget: DecodedBudget | None = None) -> None:
        self._max_channels = max_channels
        self._max_samples = max_samples
        self._holding = _Holding(budget or DecodedBudget(8 * max_channels * max_samples + PIECE_BYTES))
        self._array: FloatArray | None = None
        self._length = 0
        self.wanted_bytes = 0

    def receive(self, message: dict[str, Any], channel: Channel) -> None:
        """Read the payload of a 'samples' message: float32 [channels, samples].

        Raises:
            ValueError: the message is invalid, so its sender has to be ended.
            MediaTooLong, BudgetSpent: the budget is spent.
        """
        channels, samples = announced_samples(message, self._max_channels, self._max_samples - self._length)
        if self._array is None:
            self._array = _reserve(channels, self._max_samples)
            weakref.finalize(self._array.base, self._holding.release)  # what every view keeps alive
        elif len(self._array) != channels:
            raise ValueError("samples that cannot be")
        stop = self._length + samples
        size = 4 * channels * stop
        self.wanted_bytes = size + PIECE_BYTES
        self._holding.grow_to(size)
        for row in self._array:
            channel.receive_into(row[self._length : stop].view(np.uint8).data)
        self._length = stop

    @property
    def samples(self) -> int:
        """Samples of each channel that have arrived."""
        return self._length

    def restart(self) -> None:
        """Begin again, and hold nothing until then: the same samples are about to come."""
        self._length, self._array = 0, None

    def finish(self) -> FloatArray:
        """Return float32 [channels, samples], each channel C-contiguous.

        Raises:
            MediaInvalid: nothing arrived.
        """
        if self._array is None:
            raise MediaInvalid("The chosen range has no samples.")
        return self._array[:, : self._length]


def _reserve(channels: int, samples: int) -> FloatArray:
    """float32 [channels, samples] of zeros that use no memory until they are written.

    The mapping is a shared one: the kernel counts all of a private one against RLIMIT_DATA, written or not.
    """
    flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
    return np.frombuffer(mmap.mmap(-1, 4 * channels * samples, flags=flags), np.float32).reshape(channels, samples)
