"""Whether the service is alive, ready for work, about to stop, or unable to start."""

from enum import Enum

from service.problems import Draining, Problem, Unavailable

RETRY_AFTER_S = 1.0


class Phase(Enum):
    """The life of the process, in order."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    CLOSING = "closing"
    FAILED = "failed"


class Health:
    """The one place that knows the phase. Written by the server's thread, read by all."""

    def __init__(self) -> None:
        self.phase = Phase.STARTING

    def started(self) -> None:
        """Models are loaded and warm. A service that was told to stop meanwhile stays stopped."""
        if self.phase is Phase.STARTING:
            self.phase = Phase.READY

    def failed(self) -> None:
        """Loading failed; the process is going to exit."""
        self.phase = Phase.FAILED

    def drain(self) -> None:
        """SIGTERM has come: readiness is false from here on, work is still taken."""
        if self.phase is not Phase.FAILED:
            self.phase = Phase.DRAINING

    def close(self) -> None:
        """The socket is about to close: no new work is taken, accepted work finishes."""
        if self.phase is not Phase.FAILED:
            self.phase = Phase.CLOSING

    def readiness_problem(self) -> Problem | None:
        """Why the service should get no traffic, or None when it should."""
        if self.phase in (Phase.DRAINING, Phase.CLOSING):
            return Draining(retry_after_s=RETRY_AFTER_S)
        if self.phase is Phase.STARTING:
            return Unavailable("The service is starting: models are being loaded.", retry_after_s=RETRY_AFTER_S)
        if self.phase is Phase.FAILED:
            return Unavailable("The service could not start.", retry_after_s=RETRY_AFTER_S)
        return None

    def work_problem(self) -> Problem | None:
        """Why new work is refused, or None. While draining, work that still arrives is done."""
        return None if self.phase is Phase.DRAINING else self.readiness_problem()
