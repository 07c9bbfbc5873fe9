"""``text/event-stream`` as tests read it."""

import re

EVENTS = {"accept": "text/event-stream"}


def read_events(text: str) -> list[tuple[str, str]]:
    """Name and data of each event; comments are left out."""
    return [(fields["event"], fields["data"]) for fields in event_fields(text)]


def event_fields(text: str) -> list[dict[str, str]]:
    """The fields of each event that has a name."""
    blocks = (dict(re.findall(r"^(id|event|data): (.*)$", block, re.M)) for block in text.split("\n\n"))
    return [fields for fields in blocks if "event" in fields]


def without_request(text: str) -> str:
    """An answer without the one member that differs from request to request."""
    return re.sub(r'"request_id":"[^"]*"', "", text)
