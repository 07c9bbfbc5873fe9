"""Hostile and broken HTTP, one row of a table each, at every upload address. After each the service must answer.

The numbers are those of the project's table of hostile inputs. Rows 31 and 32 speak of a ``config`` part;
here parameters are query parameters, so their counterparts are rows with bad queries.
"""

import asyncio
import gzip
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from tests.support.hostile_rows import FILES_ROUTE, UPLOAD_ROUTES, UploadRoute, numbered
from tests.support.live_server import LiveServer, RawAnswer, connected, exchange, read_answers, serving, small_settings
from tests.support.patience import HANG_S
from tests.support.raw_http import EMOTION, END, WAV_TYPE, chunked, form, part, sized

MAX_BODY_BYTES = 4 * 1024 * 1024


def with_query(query: bytes) -> bytes:
    return sized(b"RIFF").replace(b"/v1/audio/emotion", b"/v1/audio/emotion?" + query, 1)


def filename(name: bytes) -> bytes:
    return form(part(filename=name) + END)


@dataclass(frozen=True)
class Row:
    """A request, and the answer that must come back."""

    number: str
    request: bytes = field(repr=False)
    status: int
    code: str | None = None

    def sent_to(self, route: UploadRoute) -> bytes:
        """The same request for another address, with a media type that is right there."""
        elsewhere = self.request.replace(b"/v1/audio/emotion", route.path.encode(), 1)
        return elsewhere.replace(WAV_TYPE, b"Content-Type: %b\r\n" % route.raw_type.encode(), 1)


FULL = b"R" * MAX_BODY_BYTES
TABLE = [
    Row("1 no body", EMOTION + b"\r\n", 400, "body_missing"),
    Row("1 empty body", sized(b""), 400, "body_missing"),
    Row("1 empty chunked body", chunked(b""), 400, "body_missing"),
    Row("2 no boundary", sized(part() + END, b"Content-Type: multipart/form-data\r\n"), 400, "multipart_invalid"),
    Row("3 other boundary", form((part() + END).replace(b"limit0", b"other0")), 400, "multipart_invalid"),
    Row("4 truncated", form(part()), 400, "multipart_truncated"),
    Row("4 truncated in the part", form(part(b"R" * 1000)[:-100]), 400, "multipart_truncated"),
    Row("5 body never comes", EMOTION + WAV_TYPE + b"Content-Length: 100\r\n\r\nRIFF", 408, "body_timeout"),
    Row("6 headers never end", EMOTION + b"X-Slow: ", 408, "body_timeout"),
    Row("7 negative length", EMOTION + WAV_TYPE + b"Content-Length: -5\r\n\r\n", 400, "http_invalid"),
    Row("7 length in words", EMOTION + WAV_TYPE + b"Content-Length: five\r\n\r\n", 400, "http_invalid"),
    Row(
        "8 length and chunks",
        EMOTION + WAV_TYPE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nRIFF\r\n0\r\n\r\n",
        400,
        "http_invalid",
    ),
    Row("9 TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400, "http_invalid"),
    Row("9 no HTTP", b"hello\r\n\r\n", 400, "http_invalid"),
    Row("9 HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "http_invalid"),
    Row("10 large header", sized(b"RIFF", WAV_TYPE + b"X: " + b"x" * 100_000 + b"\r\n"), 431, "headers_too_large"),
    Row(
        "10 many headers",
        sized(b"RIFF", WAV_TYPE + b"".join(b"X-%d: 1\r\n" % n for n in range(5000))),
        431,
        "headers_too_large",
    ),
    Row("10 large target", with_query(b"model=" + b"x" * 40_000), 431, "headers_too_large"),
    Row("10 header without end", EMOTION + b"X: " + b"x" * 1_000_000, 431, "headers_too_large"),
    Row(
        "10 large trailer",
        EMOTION + WAV_TYPE + b"Transfer-Encoding: chunked\r\n\r\n4\r\nRIFF\r\n0\r\nX: " + b"x" * 500_000,
        400,
        "http_invalid",
    ),
    Row("11 JSON", sized(b"{}", b"Content-Type: application/json\r\n"), 415, "unsupported_content_type"),
    Row(
        "11 form",
        sized(b"a=b", b"Content-Type: application/x-www-form-urlencoded\r\n"),
        415,
        "unsupported_content_type",
    ),
    Row("12 text part", form(part(filename=None) + END), 400, "field_not_file"),
    Row("13 wrong name", form(part(name=b"audio") + END), 400, "field_missing"),
    Row("14 two files", form(part() + part() + END), 400, "too_many_files"),
    Row("15 1001 fields", form(part(name=b"x", filename=None) * 1001 + END), 400, "too_many_fields"),
    Row(
        "16 2000 part headers",
        form(part(more=b"".join(b"X-%d: 1\r\n" % n for n in range(2000))) + END),
        400,
        "multipart_invalid",
    ),
    Row("17 large part header", form(part(more=b"X: " + b"x" * 1_000_000) + END), 400, "multipart_invalid"),
    Row(
        "18 long boundary",
        sized(part() + END, b"Content-Type: multipart/form-data; boundary=" + b"x" * 300 + b"\r\n"),
        400,
        "multipart_invalid",
    ),
    Row("19 large preamble", form(b"\r\n" * 1_000_000 + part() + END), 400, "multipart_invalid"),
    Row("19 large epilogue", form(part() + END + b"x" * 2_000_000), 400, "multipart_invalid"),
    Row("20 large field", form(part(b"x" * 2_000_000, name=b"x", filename=None) + END), 400, "field_too_large"),
    Row("21 dense line breaks", form(part(b"\r\n" * 2_000_000) + END), 200),
    Row("21 dense false boundaries", form(part(b"\r\n--limit" * 400_000) + END), 200),
    Row("22 body of the limit", sized(FULL), 200),
    Row("22 body of the limit, chunked", chunked(FULL), 200),
    Row("23 one byte more", sized(FULL + b"R"), 413, "body_too_large"),
    Row("24 one byte more, chunked", chunked(FULL + b"R"), 413, "body_too_large"),
    Row("24 tiny chunks", chunked(b"R" * 50_000, piece=1), 200),
    Row("25 10 GB promised", EMOTION + WAV_TYPE + b"Content-Length: 10000000000\r\n\r\n", 413, "body_too_large"),
    Row("25 10^30 promised", EMOTION + WAV_TYPE + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n", 400, "http_invalid"),
    Row(
        "26 expectation over the limit",
        EMOTION + WAV_TYPE + b"Expect: 100-continue\r\nContent-Length: 10000000\r\n\r\n",
        413,
        "body_too_large",
    ),
    Row(
        "27 gzip",
        sized(gzip.compress(b"RIFF"), WAV_TYPE + b"Content-Encoding: gzip\r\n"),
        415,
        "content_encoding_unsupported",
    ),
    Row("28 path as file name", filename(b"../../etc/passwd"), 200),
    Row("29 NUL in the file name", filename(b"a\0.wav"), 400, "filename_invalid"),
    Row("29 escape in the file name", filename(b"a\x1b[2J.wav"), 400, "filename_invalid"),
    Row("29 line break in the file name", filename(b"a\r\nX: y.wav"), 200),
    Row("29 long file name", filename(b"a" * 2000), 400, "filename_invalid"),
    Row("29 very long file name", filename(b"a" * 65536), 400),
    Row("29 direction mark in the file name", filename("a\u202egnp.wav".encode()), 400, "filename_invalid"),
    Row("30 extended file name", filename(b"a.wav\"; filename*=\"UTF-8''%2e%2e%2fb"), 200),
    Row("31 config part", form(part() + part(b"{", name=b"config", filename=None) + END), 422, "config_invalid"),
    Row("32 unknown key", with_query(b"top=1"), 422, "config_invalid"),
    Row("32 wrong type", with_query(b"version=1&window_s=two"), 422, "config_invalid"),
    Row("32 repeated key", with_query(b"model=example&model=example"), 422, "config_invalid"),
    Row("32 key without a name", with_query(b"=1"), 422, "config_invalid"),
    Row("32 NaN", with_query(b"hop_s=NaN"), 422, "config_invalid"),
    Row("32 1e400", with_query(b"window_s=1e400"), 422, "config_invalid"),
    Row("33 hop of zero", with_query(b"hop_s=0"), 422, "config_invalid"),
    Row("33 negative hop", with_query(b"hop_s=-1"), 422, "config_invalid"),
    Row("33 long window", with_query(b"window_s=1000000000"), 422, "config_invalid"),
    Row("33 no finite time", with_query(b"start_s=1e999"), 422, "config_invalid"),
    Row("33 face 10^9", with_query(b"face=1000000000"), 422, "config_invalid"),
    Row("33 long list", with_query(b"include=" + b"audio," * 1000), 422, "config_invalid"),
    Row("34 unknown model", with_query(b"model=unknown"), 404, "model_not_found"),
    Row("34 unknown version", with_query(b"model=example&version=9"), 404, "model_not_found"),
    Row("34 hostile model", with_query(b"model=..%2f..%2fetc"), 404, "model_not_found"),
    Row("35 XML", sized(b"RIFF", WAV_TYPE + b"Accept: application/xml\r\n"), 406, "not_acceptable"),
    Row("36 GET", b"GET /v1/audio/emotion HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "method_not_allowed"),
    Row("36 PUT", sized(b"RIFF").replace(b"POST", b"PUT", 1), 405, "method_not_allowed"),
    Row("36 unknown method", b"FETCH / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "http_invalid"),
    Row("bytes beyond ASCII in the path", b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "http_invalid"),
    Row("escaped bytes in the path", b"GET /v1/models/%ff%00%0d%0a HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    Row("escaped bytes in the query", with_query(b"model=%ff%00"), 404),
    Row("broken chunk size", EMOTION + WAV_TYPE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "http_invalid"),
    Row("tunnel", b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", 400, "http_invalid"),
    Row("upgrade", sized(b"RIFF", WAV_TYPE + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"), 200),
]


@pytest.fixture(scope="module")
def live() -> Iterator[LiveServer]:
    with serving(small_settings(limits={"max_body_bytes": MAX_BODY_BYTES})) as server:
        yield server
    assert len(server.request_lines()) > len(TABLE)
    assert_nothing_went_wrong(server)


@pytest.fixture
def impatient() -> Iterator[LiveServer]:
    """For rows in which the client does not go on; for one test, as the log is the process's."""
    with serving(small_settings(limits={"body_timeout_s": 0.5})) as server:
        yield server
    assert_nothing_went_wrong(server)


def assert_nothing_went_wrong(server: LiveServer) -> None:
    assert not [line for line in server.request_lines() if line["status"] == 500]
    assert not [line for line in server.log_lines() if line["level"] in ("error", "warning")]


def assert_still_answers(live: LiveServer) -> None:
    assert httpx.post(f"{live.url}/v1/audio/emotion", content=b"RIFF").status_code == 200
    assert (live.services.uploads.uploads, live.services.uploads.held_bytes) == (0, 0)


def assert_problem(answer: RawAnswer, status: int, code: str | None) -> None:
    assert answer.status == status
    assert answer.headers["x-request-id"]
    assert answer.headers["server-timing"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["status"] == status
        assert answer.json["request_id"] == answer.headers["x-request-id"]
        assert code is None or answer.json["code"] == code
    if status == 405:
        assert answer.headers["allow"]


ROWS = {row.number: row for row in TABLE}


@pytest.mark.parametrize("route", [*UPLOAD_ROUTES, FILES_ROUTE], ids=lambda route: route.path)
@pytest.mark.parametrize("name", numbered(name for name, row in ROWS.items() if row.code != "body_timeout"))
def test_row(live: LiveServer, name: str, route: UploadRoute) -> None:
    check_row(live, ROWS[name], route)


@pytest.mark.parametrize("route", UPLOAD_ROUTES, ids=lambda route: route.path)
@pytest.mark.parametrize("name", numbered(name for name, row in ROWS.items() if row.code == "body_timeout"))
def test_row_without_an_end(impatient: LiveServer, name: str, route: UploadRoute) -> None:
    check_row(impatient, ROWS[name], route)


def check_row(live: LiveServer, row: Row, route: UploadRoute) -> None:
    answers = exchange(live.port, row.sent_to(route))
    assert [answer.status for answer in answers if answer.status < 200] == []  # never 100 before a refusal
    assert len(answers) == 1
    if row.code == "too_many_files" and route is FILES_ROUTE:
        assert answers[0].status == 200
        return
    assert_problem(answers[0], row.status, row.code)
    if row.code == "config_invalid" and b"?" in row.request.partition(b"\r\n")[0]:
        assert str(answers[0].json["errors"][0]["pointer"]).startswith("/")
    assert_still_answers(live)


def test_every_upload_address_is_tried(live: LiveServer) -> None:
    """Jobs answer 202 with a place to ask, and /v2 takes tensors: they are tried where they are tested."""
    paths = httpx.get(f"{live.url}/openapi.json").json()["paths"]
    uploads = {path for path, item in paths.items() if "requestBody" in item.get("post", {})}
    tried = {route.path for route in (*UPLOAD_ROUTES, FILES_ROUTE)}
    assert {path for path in uploads if not path.startswith(("/v1/jobs/", "/v2/"))} == tried


@pytest.mark.hostile_row(28, 29)
def test_rows_28_and_29_names_are_never_logged(live: LiveServer) -> None:
    names = [
        b"../../etc/passwd",
        b"canary\x1b[2J.wav",
        b"canary\0.wav",
        "canary\u202egnp.wav".encode(),
        b"canary" * 999,
    ]
    for name in names:
        assert exchange(live.port, filename(name))
    assert "canary" not in live.log.getvalue()
    assert "passwd" not in live.log.getvalue()


@pytest.mark.hostile_row(6)
def test_row_6_one_byte_at_a_time(impatient: LiveServer) -> None:
    ends_s = time.monotonic() + HANG_S
    with connected(impatient.port) as connection:
        connection.sendall(EMOTION + WAV_TYPE + b"Content-Length: 1000\r\n\r\n")
        answers: list[RawAnswer] = []
        connection.settimeout(0.1)
        while not answers:
            connection.sendall(b"R")
            try:
                answers = read_answers(connection)
            except TimeoutError:
                assert time.monotonic() < ends_s
    assert_problem(answers[0], 408, "body_timeout")
    assert_still_answers(impatient)


@pytest.mark.hostile_row(6)
def test_row_6_silent_connections_are_closed(impatient: LiveServer) -> None:
    with connected(impatient.port) as connection:
        assert connection.recv(1) == b""
    assert_still_answers(impatient)


@pytest.mark.hostile_row(6)
def test_row_6_second_request_on_a_kept_connection(impatient: LiveServer) -> None:
    with connected(impatient.port) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_answers(connection)[0].status == 200
        connection.sendall(b"GET /v2 HT")
        assert_problem(read_answers(connection)[0], 408, "body_timeout")
    assert_still_answers(impatient)


@pytest.mark.hostile_row(26)
def test_row_26_expectation_within_the_limit(live: LiveServer) -> None:
    request = EMOTION + WAV_TYPE + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    with connected(live.port) as connection:
        connection.sendall(request)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"RIFF")
        assert read_answers(connection)[0].status == 200


@pytest.mark.hostile_row(23)
def test_row_23_answer_survives_a_client_that_keeps_sending(live: LiveServer) -> None:
    """The client writes megabytes before it reads: closing too early would reset the connection."""
    with connected(live.port) as connection:
        connection.sendall(EMOTION + WAV_TYPE + b"Content-Length: 6000000\r\n\r\n")
        for _ in range(50):
            connection.sendall(b"R" * 60_000)
            time.sleep(0.001)
        assert_problem(read_answers(connection)[0], 413, "body_too_large")


@pytest.mark.hostile_row(23)
def test_row_23_answer_survives_a_client_that_sends_all_of_it_before_it_reads() -> None:
    async def send(port: int, size: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(EMOTION + WAV_TYPE + b"Content-Length: %d\r\n\r\n" % size)
            for _ in range(size // 65_536):
                writer.write(bytes(65_536))
                await writer.drain()
            return await reader.readline()
        finally:
            writer.close()

    with serving(small_settings(limits={"max_body_bytes": 2 * 1024 * 1024})) as server:
        for _ in range(5):
            status = asyncio.run(asyncio.wait_for(send(server.port, 3 * 1024 * 1024), HANG_S))
            assert status.startswith(b"HTTP/1.1 413 ")


def test_upgrade_offer_is_ignored_and_the_connection_kept(live: LiveServer) -> None:
    """Some clients offer HTTP/2 on their first request, whether or not it has a body."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    with connected(live.port) as connection:
        for request in (sized(b"RIFFa", WAV_TYPE + offer), chunked(b"RIFFb" * 100, WAV_TYPE + offer, 7)):
            connection.sendall(request[:-3])
            time.sleep(0.02)
            connection.sendall(request[-3:])
            assert read_answers(connection)[0].status == 200
        connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n" + offer + b"\r\n")
        assert read_answers(connection)[0].status == 200
        connection.sendall(sized(b"RIFFc"))
        assert read_answers(connection)[0].status == 200
    assert [content for content, _ in live.pipeline.seen[-3:]] == [b"RIFFa", b"RIFFb" * 100, b"RIFFc"]


def test_pipelined_requests_are_answered_in_order(live: LiveServer) -> None:
    with connected(live.port) as connection:
        connection.sendall(sized(b"RIFF") + b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + sized(b"RIFF"))
        assert [answer.status for answer in read_answers(connection, 3)] == [200, 404, 200]


def test_rest_of_a_refused_body_is_no_request(live: LiveServer) -> None:
    """The rest of a refused body must never be taken for the next request."""
    smuggled = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    body = smuggled * 10
    head = EMOTION + b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(body)
    with connected(live.port) as connection:
        connection.sendall(head)
        answers = read_answers(connection)
        connection.sendall(body)
        answers += read_answers(connection, 5)
    assert [answer.status for answer in answers] == [415]
