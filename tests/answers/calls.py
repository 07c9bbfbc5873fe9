"""How each kind of case is carried out: HTTP, WebSocket and command line in, a normalised answer out."""

import json
import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.answers import cases, material, normalise, signals
from tests.answers.server import run_command

TIMEOUT_S = 120.0
_HEADERS = ("content-type", "content-disposition", "cache-control", "vary", "allow", "accept", "link")


def carry_out(case: cases.Case, client: httpx.Client) -> dict[str, Any]:
    """Ask the service and normalise what it answers.

    Args:
        case: what to ask.
        client: whose base address is the service's; commands start processes of their own.
    """
    match case:
        case cases.Read():
            return _read(case, client)
        case cases.Upload():
            return _answer(_post(client, case.path, case.content, case.query, case.accept, case.media_type))
        case cases.JobCase():
            return _job(case, client)
        case cases.SoundStream():
            return _sound_stream(case, client)
        case cases.PictureStream() | cases.UnitStream():
            return _frame_stream(case, client)
        case cases.Command():
            return _command(case)


def _read(case: cases.Read, client: httpx.Client) -> dict[str, Any]:
    response = client.get(case.path, headers={"Accept": case.accept})
    return _document(response.json()) if case.only == "document" else _answer(response)


def _document(document: dict[str, Any]) -> dict[str, Any]:
    """The interface that an OpenAPI document describes, without its texts."""
    operations = {
        f"{method.upper()} {path}": {
            "parameters": sorted(f"{found.get('in')} {found.get('name')}" for found in item.get("parameters", ())),
            "answers": {
                status: sorted(answer.get("content", {})) for status, answer in sorted(item["responses"].items())
            },
        }
        for path, methods in sorted(document["paths"].items())
        for method, item in methods.items()
    }
    schemas = document.get("components", {}).get("schemas", {})
    return {
        "operations": operations,
        "schemas": {name: sorted(schema.get("properties", {})) for name, schema in sorted(schemas.items())},
    }


def _post(
    client: httpx.Client, path: str, content: str, query: str, accept: str, media_type: str | None
) -> httpx.Response:
    data = material.content(content)
    address = f"{path}?{query}" if query else path
    if media_type is not None:
        return client.post(address, content=data, headers={"Accept": accept, "Content-Type": media_type})
    files = {"file": (material.file_name(content), data)}
    return client.post(address, files=files, headers={"Accept": accept})


def _answer(response: httpx.Response) -> dict[str, Any]:
    """Status, the headers that matter and the body of an answer."""
    media_type = response.headers.get("content-type", "").partition(";")[0]
    headers = {name: normalise.text(response.headers[name]) for name in _HEADERS if name in response.headers}
    return {"status": response.status_code, "headers": headers, "body": _body(response, media_type)}


def _body(response: httpx.Response, media_type: str) -> Any:
    if not response.content:
        return None
    if media_type == cases.CSV:
        return normalise.table(response.text)
    if media_type == cases.PNG:
        return normalise.plot(response.content)
    if media_type == cases.EVENTS:
        return normalise.events(response.text)
    if media_type.endswith("json"):
        return normalise.tree(response.json())
    return normalise.text(response.text)


def _job(case: cases.JobCase, client: httpx.Client) -> dict[str, Any]:
    submitted = _post(client, f"/v1/jobs/{case.kind}", case.content, case.query, cases.JSON, None)
    if submitted.status_code != 202:
        return {"submitted": _answer(submitted)}
    place = submitted.headers["location"]
    state = _wait_for_end(client, place)
    return {
        "submitted": {"status": submitted.status_code, "location": normalise.text(place)},
        "job": _job_members(state),
        "events": _last_state(client, place),
        "results": {
            accept: _answer(client.get(f"{place}/result", headers={"Accept": accept})) for accept in case.accepts
        },
        "deleted": client.delete(place).status_code,
        "after": client.get(f"{place}/result").status_code,
    }


def _wait_for_end(client: httpx.Client, place: str) -> dict[str, Any]:
    ends_s = time.monotonic() + TIMEOUT_S
    while time.monotonic() < ends_s:
        state: dict[str, Any] = client.get(place).json()
        if state["state"] not in ("queued", "running"):
            return state
        time.sleep(0.05)
    raise TimeoutError(f"{place} has not ended within {TIMEOUT_S} s")


def _job_members(state: dict[str, Any]) -> Any:
    return normalise.tree({key: "<id>" if key == "id" else value for key, value in state.items()})


def _last_state(client: httpx.Client, place: str) -> list[str]:
    """The state that the events of a job that has ended tell of."""
    states: list[str] = normalise.events(client.get(f"{place}/events").text)["states"]
    return states


def _connected(client: httpx.Client, path: str) -> ClientConnection:
    address = str(client.base_url).replace("http://", "ws://").rstrip("/")
    return connect(f"{address}{path}", max_size=2**24, compression=None)


def _sound_stream(case: cases.SoundStream, client: httpx.Client) -> dict[str, Any]:
    pcm, rate_hz, channels = material.pcm(case.content)
    step = 2 * channels * (rate_hz * case.piece_ms // 1000)
    pieces = [pcm[first : first + step] for first in range(0, len(pcm), step)]
    config = {"type": "config", "sample_rate_hz": rate_hz, "channels": channels, **case.config}
    if case.breaks:
        return _resumed(client, config, pieces, 2 * channels)
    with _connected(client, "/v1/stream/audio") as stream:
        return _spoken(stream, config, pieces)


def _frame_stream(case: cases.PictureStream | cases.UnitStream, client: httpx.Client) -> dict[str, Any]:
    kind = "jpeg" if isinstance(case, cases.PictureStream) else "action_units"
    config = {"type": "config", "input": kind, **case.config}
    with _connected(client, "/v1/stream/video") as stream:
        return _spoken(stream, config, list(_frames(case)))


def _frames(case: cases.PictureStream | cases.UnitStream) -> Iterator[bytes | str]:
    if isinstance(case, cases.PictureStream):
        for time_s, jpeg in material.pictures(case.content, case.every, case.limit):
            yield struct.pack("<d", time_s) + jpeg
        return
    for row in signals.table_rows():
        yield json.dumps({"type": "frame", **row, "success": bool(row["success"])})
    if case.spoilt:
        yield json.dumps({"type": "frame", "time_s": 0.0, "confidence": 2})


def _spoken(stream: ClientConnection, config: dict[str, object], pieces: list[Any]) -> dict[str, Any]:
    """A session from its config to its close."""
    with suppress(ConnectionClosed):
        stream.send(json.dumps(config))
        for piece in pieces:
            stream.send(piece)
        stream.send(json.dumps({"type": "end"}))
    messages = _rest(stream)
    return _said(messages, stream.close_code)


def _resumed(client: httpx.Client, config: dict[str, object], pieces: list[Any], frame_bytes: int) -> dict[str, Any]:
    """A session whose connection breaks in the middle, and is taken up again."""
    pcm = b"".join(pieces)
    with _connected(client, "/v1/stream/audio") as stream:
        stream.send(json.dumps(config))
        created = json.loads(stream.recv(TIMEOUT_S))
        stream.send(pcm[: len(pcm) // 2 // frame_bytes * frame_bytes])
        first = json.loads(stream.recv(TIMEOUT_S))
        stream.socket.shutdown(socket.SHUT_RDWR)
    with _connected(client, "/v1/stream/audio") as stream:
        stream.send(json.dumps({"type": "resume", "id": created["id"], "received": 1}))
        resumed = json.loads(stream.recv(TIMEOUT_S))
        stream.send(pcm[resumed["received_samples"] * frame_bytes :])
        stream.send(json.dumps({"type": "end"}))
        messages = _rest(stream)
        return _said([created, first, *messages], stream.close_code)


def _rest(stream: ClientConnection) -> list[dict[str, Any]]:
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(json.loads(stream.recv(TIMEOUT_S)))
    return messages


def _said(messages: list[dict[str, Any]], close_code: int | None) -> dict[str, Any]:
    """The service's messages with their columns joined, however many messages they came in."""
    known = [{key: "<id>" if key == "id" else value for key, value in message.items()} for message in messages]
    affect = normalise.joined([message for message in known if message["type"] == "affect"])
    others = [message for message in known if message["type"] != "affect"]
    if affect:
        others = [{key: value for key, value in message.items() if key != "answers"} for message in others]
    return {"messages": normalise.tree(others), "affect": normalise.tree(affect), "close_code": close_code}


def _command(case: cases.Command) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "inputs")
        folder.mkdir()
        for name in case.contents:
            (folder / material.file_name(name)).write_bytes(material.content(name))
        written = {flag: Path(place, flag) for flag in case.flags if flag.startswith("OUT.")}
        places = {"FOLDER": str(folder)} | {flag: str(path) for flag, path in written.items()}
        flags = [places.get(flag, flag) for flag in case.flags]
        files = [] if "FOLDER" in case.flags else [str(folder / material.file_name(name)) for name in case.contents]
        given = material.content(case.standard_input) if case.standard_input else None
        status, output, errors = run_command([*flags, *files], Path(place, "state"), given)
        return {
            "status": status,
            "output": _output(output, case.form, str(folder)),
            "errors": _lines(errors, folder),
            "files": {flag: _file(path, str(folder)) for flag, path in written.items()},
        }


def _output(output: str, form: str, folder: str) -> Any:
    if form == "csv":
        return normalise.table(output, folder)
    if form == "document":
        return _document(json.loads(output))
    return [normalise.tree(json.loads(line), folder) for line in output.splitlines()]


def _file(path: Path, folder: str) -> dict[str, Any]:
    """A table or a plot that a command has written."""
    if path.suffix == ".png":
        return normalise.plot(path.read_bytes())
    return normalise.table(path.read_text(encoding="utf-8"), folder)


def _lines(errors: str, folder: Path) -> list[dict[str, str]]:
    """Lines of standard error: the code of what failed, and the sentence behind it."""
    lines = [normalise.text(line, str(folder)).rpartition(": ") for line in errors.splitlines() if line.strip()]
    return [{"code": head, "message": sentence} for head, _, sentence in lines]
