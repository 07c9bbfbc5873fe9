"""A clock that tests move."""


class Clock:
    """Seconds that go on only when a test says so."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
