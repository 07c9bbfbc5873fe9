"""Facts of one request while it is answered: identity, timings, and the fields of its log line."""

import re
import time
import uuid
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers

from service.access.caller import ANONYMOUS, Caller
from service.pipeline.device.task import StageTimes

_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}")


@dataclass
class Exchange:
    """One request and its answer, without any content.

    Attributes:
        request_id: the client's own where it is valid, else a new one.
        started_s: ``time.monotonic`` when the headers were there.
        stages_s: seconds by stage, in order of their beginning.
        code: 'ok' or the problem's code.
        body_bytes: bytes of the request body that were read.
        media_s: seconds of media, once known.
        caller: the sender.
        models: name/version@sha256 of the models that answered, for the audit log.
        cache_control: header of the same name; only files that are the same for everybody change it.
    """

    request_id: str
    started_s: float = field(default_factory=time.monotonic)
    stages_s: StageTimes = field(default_factory=StageTimes)
    code: str = "ok"
    body_bytes: int = 0
    media_s: float | None = None
    caller: Caller = ANONYMOUS
    models: tuple[str, ...] = ()
    cache_control: str = "no-store"

    @property
    def elapsed_s(self) -> float:
        """Seconds since the headers were there."""
        return time.monotonic() - self.started_s

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a ``with`` block as the stage ``name``."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self.stages_s.add(name, time.monotonic() - began_s)

    def server_timing(self) -> str:
        """Value of the header ``Server-Timing``, in milliseconds."""
        stages_s = {**self.stages_s, "total": self.elapsed_s}
        return ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in stages_s.items())


def new_request_id() -> str:
    """A request id that nobody had before."""
    return uuid.uuid4().hex


def begin_exchange(headers: Headers) -> Exchange:
    """Start the exchange of a request with these headers."""
    proposed = headers.get("x-request-id", "")
    return Exchange(proposed if _VALID_REQUEST_ID.fullmatch(proposed) else new_request_id())


def exchange_of(scope: MutableMapping[str, Any]) -> Exchange:
    """The exchange of the request with this ASGI scope."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange
