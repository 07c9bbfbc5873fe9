"""Run the application with uvicorn: check port, TLS and access first, and stop without losing accepted work."""

import asyncio
import fcntl
import logging
import math
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import IO, Any

import uvicorn

from service.access.caller import ANONYMOUS
from service.app import create_app
from service.health import Phase
from service.http.protocol import bounded_protocol
from service.http.websocket import StreamProtocol
from service.memory import choose_malloc, return_free_memory
from service.pipeline.decoding.confinement import forbid_core_dumps
from service.places import process_file
from service.problems import Problem
from service.services import Services
from service.settings import Settings, unread_names
from service.telemetry.audit import AuditEntry, log_request
from service.telemetry.logs import configure_logging, service_logger

# Longer than the 60 s after which common load balancers drop idle connections, so that they do it first.
KEEP_ALIVE_S = 75
PING_S = 20.0  # uvicorn's usual interval
WEBSOCKET_ROOM = 2  # messages up to so many times the limit are answered, larger ones end the connection
LOOK_S = 0.1
"""Interval at which the server looks after its phase while that is about to change."""
QUIET_LOOK_S = 1.0
"""The same interval otherwise: a look a second renews the Date header."""
TIDY_S = 60.0
"""Interval at which memory that requests have freed goes back to the system."""
UVICORN_TICKS = 10  # uvicorn renews it at every tenth tick
REFUSED_ROUTE = "refused"  # the request never reached a route

# Time for work to notice that it was told to stop.
LAST_MOMENT_S = 1.0

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

EXIT_OK = 0
EXIT_COULD_NOT_START = 1


class DrainingServer(uvicorn.Server):
    """uvicorn's server, with readiness going false before the socket closes.

    Args:
        config: uvicorn's.
        services: of the application.
        on_ready: called once with the service's address when it is ready for work.
    """

    def __init__(
        self, config: uvicorn.Config, services: Services, on_ready: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(config)
        self._services = services
        self._on_ready = on_ready
        self._drain_began_s: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._look = asyncio.Event()
        self._tidied_s = time.monotonic()
        self._tidied_requests = 0

    @property
    def address(self) -> str:
        """Address on which the service listens, once it does."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        scheme = "https" if self.config.is_ssl else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """First signal: drain. Second: close at once and wait for accepted work. Third: leave."""
        if self._drain_began_s is None:
            self.drain()
        elif not self.should_exit:
            self.stop()
        else:
            self.force_exit = True

    def drain(self) -> None:
        """Readiness goes false now; the socket closes after ``ready_grace_s``. For any thread."""
        self._services.health.drain()
        self._drain_began_s = time.monotonic()
        self._look_now()

    def reload(self) -> None:
        """SIGHUP: load the bundles anew while requests go on; nothing while the service starts or stops."""
        if self._services.health.phase is Phase.READY:
            threading.Thread(target=self._services.reload, name="reload", daemon=True).start()

    def stop(self) -> None:
        """Close the socket now and wait for accepted work. For any thread."""
        self.should_exit = True
        self._look_now()

    async def main_loop(self) -> None:
        """Look after the phases, seldom while none is about to change: a look takes 0.2 ms of processor time."""
        self._loop = asyncio.get_running_loop()
        held = self._take_signals(self._loop)
        while not await self.on_tick(UVICORN_TICKS):
            is_quiet = self._services.health.phase is Phase.READY and self._on_ready is None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), QUIET_LOOK_S if is_quiet else LOOK_S)
            self._look.clear()
            self._tidy(self._loop)
        if held is not None:
            held.close()

    def _tidy(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give freed memory back now and then, in a thread, if there were requests since."""
        requests, now_s = self.server_state.total_requests, time.monotonic()
        if requests != self._tidied_requests and now_s - self._tidied_s >= TIDY_S:
            self._tidied_requests, self._tidied_s = requests, now_s
            loop.run_in_executor(None, return_free_memory)

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> IO[bytes] | None:
        """Take SIGHUP, and the locked file by which ``emoserve models reload`` finds this process.

        None outside the main thread, which gets no signals, and where the file cannot be written.
        """
        state = self._services.settings.state_dir
        try:
            loop.add_signal_handler(signal.SIGHUP, self.reload)
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            port = self.servers[0].sockets[0].getsockname()[1]
            file = process_file(state, port).open("wb", buffering=0)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(b"%d\n" % os.getpid())
        except (OSError, RuntimeError, ValueError):
            return None
        return file

    def _look_now(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._look.set)

    async def on_tick(self, counter: int) -> bool:
        """Look after the phases."""
        if self._services.health.phase is Phase.FAILED:
            self.should_exit = True
        elif self._drain_began_s is not None:
            grace_s = self._services.settings.ready_grace_s
            self.should_exit |= time.monotonic() - self._drain_began_s >= grace_s
        elif self._on_ready is not None and self._services.health.phase is Phase.READY:
            self._on_ready(self.address)
            self._on_ready = None
        if self._drain_began_s is not None or self.should_exit:
            await self._services.streams.drain()
        if self.should_exit:
            self._services.health.close()
        return await super().on_tick(counter)


def make_server(
    settings: Settings, services: Services | None = None, on_ready: Callable[[str], None] | None = None
) -> DrainingServer:
    """The server for ``settings``, not yet running.

    Args:
        settings: how to run.
        services: with models loaded already, for tests.
        on_ready: called once with the service's address when it is ready for work.

    Raises:
        OSError, FileInvalid: a file of credentials, or the audit log, cannot be used.
    """
    services = services or Services(settings)
    services.prepare_access()
    config = uvicorn.Config(
        create_app(settings, services),
        host=settings.host,
        port=settings.port,
        http=bounded_protocol(settings.limits, lambda *refusal: _record_refusal(services, *refusal)),
        ws=StreamProtocol,
        ws_max_size=WEBSOCKET_ROOM * settings.limits.max_message_bytes,
        ws_ping_interval=PING_S,
        # Pongs of a client that is held back are not read meanwhile.
        ws_ping_timeout=PING_S + settings.limits.stream_held_back_s,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(settings.drain_s),
        **transport_security(settings),
    )
    return DrainingServer(config, services, on_ready)


def serve(settings: Settings, services: Services | None = None, on_ready: Callable[[str], None] | None = None) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        Exit status: 0 after a shutdown on request, 1 when the models could not be loaded.

    Raises:
        OSError, FileInvalid: the address is taken, or a file of credentials, TLS or audit cannot be used.
    """
    configure_logging(settings.log_level)
    forbid_core_dumps()
    choose_malloc()
    services = services or Services(settings)
    warn_of_openness(settings)
    warn_of_unread(os.environ)
    refuse_busy_port(settings.host, settings.port)
    make_server(settings, services, on_ready).run()
    status = EXIT_COULD_NOT_START if services.health.phase is Phase.FAILED else EXIT_OK
    if not services.work.wait_idle(LAST_MOMENT_S):
        # The interpreter would wait for these threads for as long as they like.
        service_logger.warning("left with work that did not stop")
        logging.shutdown()
        os._exit(status)
    return status


def refuse_busy_port(host: str, port: int) -> None:
    """Find out at once what the server would find out only after models began to load.

    Raises:
        OSError: nothing can listen there; its ``filename`` is the address.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from None


def transport_security(settings: Settings) -> dict[str, Any]:
    """Options of uvicorn for TLS 1.2 and 1.3 with forward secrecy; none where no certificate is set.

    Raises:
        OSError: certificate and key cannot be used.
    """
    certificate, key, authorities = settings.ssl_certfile, settings.ssl_keyfile, settings.ssl_ca_certs
    if certificate is None:
        return {}
    for path in filter(None, (certificate, key, authorities)):
        path.open("rb").close()  # errors of the ssl module do not name the file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise OSError(error.errno, "no certificate with a fitting key", str(certificate)) from None
    try:
        if authorities is not None:
            context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        raise OSError(error.errno, "no certificates of authorities", str(authorities)) from None
    return {
        "ssl_certfile": str(certificate),
        "ssl_keyfile": None if key is None else str(key),
        "ssl_ca_certs": None if authorities is None else str(authorities),
        "ssl_cert_reqs": ssl.CERT_NONE if authorities is None else ssl.CERT_REQUIRED,
        "ssl_ciphers": "ECDHE+AESGCM:ECDHE+CHACHA20",
    }


def warn_of_openness(settings: Settings) -> None:
    """Say so where everybody on the network may call."""
    if not settings.protected and settings.host not in _LOOPBACK:
        service_logger.warning(
            "open to everybody who can reach it: no credentials are set up, see docs/security.md",
            extra={"fields": {"host": settings.host}},
        )


def warn_of_unread(environment: Mapping[str, str]) -> None:
    """Say which variables look like settings and are none."""
    for name in unread_names(environment):
        service_logger.warning("no setting, not read: see docs/settings.md", extra={"fields": {"variable": name}})


def _record_refusal(services: Services, problem: Problem, request_id: str) -> None:
    """Metrics, log and audit line of a request that the HTTP parser or its bounds refused."""
    services.metrics.requests_total.labels(REFUSED_ROUTE, str(problem.status)).inc()
    entry = AuditEntry(
        request_id=request_id,
        key_id=ANONYMOUS.key_id,
        action=REFUSED_ROUTE,
        route=REFUSED_ROUTE,
        status=problem.status,
        code=problem.code,
    )
    log_request(entry)
    services.audit.write(entry)
