"""Stand-ins for the plans of jobs: every part has a few short segments, and the content says what happens in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from service.jobs.part import FACES, SPEECH, Segment
from service.pipeline.audio_options import AudioOptions
from service.pipeline.device.account import current_account
from service.pipeline.device.task import Cancelled, Work
from service.problems import InferenceUnavailable, MediaInvalid, ModelNotFound
from tests.support.example_affect import example_affect
from tests.support.example_results import fake_result

SEGMENTS, SEGMENT_MEDIA_S = 4, 10.0
"""Segments of every part of a made-up job, and the media in each, seconds."""


@dataclass
class Room:
    """Admits everything, or raises one of ``problems``; notes for how much it was asked."""

    problems: list[Exception] = field(default_factory=list)
    asked_s: set[float] = field(default_factory=set)

    @contextmanager
    def hold_in_turn(self, seconds: float, cancel: threading.Event) -> Iterator[None]:
        self.asked_s.add(seconds)
        if self.problems:
            raise self.problems.pop()
        yield


@dataclass
class FakePart:
    """Four segments. b'gate…' waits before its second, b'invalid…', b'bug…' and b'tired…' fail there."""

    content: bytes
    number: int
    plans: FakePlans
    closed: bool = False

    def run(self, work: Work) -> Segment:
        self.plans.ran.append(self.number)
        self.plans.accounts.append(current_account().name)
        if self.number == 1:
            self._second(work)
        self.number += 1
        state = {"number": self.number} if self.number < SEGMENTS else None
        return Segment({"size": len(self.content)}, state, self.number / SEGMENTS, SEGMENT_MEDIA_S)

    def close(self) -> None:
        self.closed = True

    def _second(self, work: Work) -> None:
        if self.content.startswith(b"gate"):
            gate = self.plans.gate
            while not gate.wait(0.01):
                if work.cancel is not None and work.cancel.is_set():
                    raise Cancelled
        if self.content.startswith(b"invalid"):
            raise MediaInvalid(self.content.decode())
        if self.content.startswith(b"bug"):
            raise RuntimeError(self.content.decode())
        if self.content.startswith(b"tired") and self.plans.tired:
            self.plans.tired -= 1
            raise InferenceUnavailable


@dataclass
class FakePlans:
    gate: threading.Event = field(default_factory=threading.Event)
    ran: list[int] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    tired: int = 0

    def shut_gate(self) -> None:
        """Have jobs wait from now on. Those that may go on do, even where their threads have not noticed yet."""
        self.gate = threading.Event()

    def start(self) -> None: ...

    def check(self, options: Any) -> None:
        if options.model not in (None, "example", "tiny"):
            raise ModelNotFound

    def parts(self, options: Any) -> tuple[str, ...]:
        return (SPEECH if isinstance(options, AudioOptions) else FACES,)

    def make(self, name: str, options: Any, spool: Any, state: dict[str, Any] | None, source: Any) -> FakePart:
        return FakePart(source.read(0, 1000), 0 if state is None else state["number"], self)

    def join(self, options: Any, spool: Any) -> Any:
        if isinstance(options, AudioOptions):
            return fake_result()
        return example_affect(40, units="action_units" in options.include)

    def close(self) -> None: ...
