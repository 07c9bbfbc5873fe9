"""Threats that the service was designed against: 79 hostile or broken inputs, hostile streams and jobs, and faults.

The numbers never change, so that tests, documents and reports can name a row. A new row is one line here, a test
with its marker, and ``python -m tests.hostile.index > docs/hostile_inputs.md``.
"""

ROWS: dict[int, tuple[str, str]] = {
    1: ("POST without a body, or an empty one", "400 `body_missing`"),
    2: ("multipart without a boundary", "400 `multipart_invalid`"),
    3: ("the boundary of the header is not that of the body", "400 `multipart_invalid`"),
    4: ("multipart cut off before the closing boundary", "400 `multipart_truncated`"),
    5: ("a body shorter than its `Content-Length`, connection kept open", "408 `body_timeout`"),
    6: ("headers or body at one byte a second, or never", "408 `body_timeout`, or closed where nothing was sent"),
    7: ("a `Content-Length` that is negative or no number", "400 `http_invalid`"),
    8: ("`Content-Length` beside `Transfer-Encoding`", "400 `http_invalid`"),
    9: ("bytes of another protocol: TLS, HTTP/2, chatter", "400 `http_invalid`"),
    10: ("100 KB of headers, thousands of them, a 40 KB address", "431 `headers_too_large`"),
    11: ("JSON or a form as the upload's content type", "415 `unsupported_content_type`"),
    12: ("`file` sent as text instead of a file", "400 `field_not_file`"),
    13: ("another name than `file`", "400 `field_missing`"),
    14: ("two parts `file`", "400 `too_many_files`"),
    15: ("1001 fields", "400 `too_many_fields`"),
    16: ("2000 headers in one part", "400 `multipart_invalid`"),
    17: ("a part header of 1 MB", "400 `multipart_invalid`"),
    18: ("a boundary of 300 bytes", "400 `multipart_invalid`"),
    19: ("2 MB before the first or after the last boundary", "400 `multipart_invalid`"),
    20: ("a text field of 2 MB", "400 `field_too_large`"),
    21: ("a part full of line breaks or of almost-boundaries", "200 in linear time"),
    22: ("a body of exactly the limit", "200"),
    23: ("one byte more, length declared", "413 `body_too_large`, before the body is read"),
    24: ("one byte more, chunked", "413 `body_too_large`"),
    25: ("10 GB promised, nothing sent", "413 `body_too_large` at once; 400 where the length has 31 digits"),
    26: ("`Expect: 100-continue` over the limit", "413 `body_too_large`, never 100"),
    27: ("`Content-Encoding: gzip` on the request", "415 `content_encoding_unsupported`"),
    28: ("file name `../../etc/passwd`", "200; the name is neither used nor logged"),
    29: ("file names with NUL, ESC, line breaks, direction marks, of 64 KB", "200 or 400 `filename_invalid`"),
    30: ("`filename*=` beside `filename=`", "200; the plain name counts"),
    31: (
        "a part `config`, JSON or not",
        "422 `config_invalid`: parameters are query parameters here, whatever the part holds",
    ),
    32: ("unknown parameter, wrong type, NaN, 1e400", "422 `config_invalid` with a JSON pointer"),
    33: ("hop ≤ 0, endless windows, times beyond any recording", "422 `config_invalid`"),
    34: ("a model or version that does not exist", "404 `model_not_found`"),
    35: ("`Accept: application/xml`", "406 `not_acceptable`"),
    36: ("GET or PUT on an upload address", "405 with `Allow`"),
    37: (
        "no credentials, wrong ones, in the query, expired, unsigned, for another audience",
        "401 `unauthenticated` with `WWW-Authenticate`",
    ),
    38: ("valid credentials without the scope", "403 `forbidden`"),
    39: ("keys that are right at their beginning", "401 `unauthenticated`, always the same, compared in constant time"),
    40: ("an empty file part", "422 `media_empty`"),
    41: ("the four bytes `RIFF`", "422 `media_truncated`"),
    42: ("a WAV header without samples", "422 `media_empty`"),
    43: ("WAV data of declared length 0 with data behind", "200 on what follows, `header_repaired`"),
    44: ("WAV data of declared length 2³² − 1", "200 on what is there"),
    45: ("sample rate 0 or 4 GHz", "422 `media_invalid`"),
    46: ("sample rate 1 Hz or 1 MHz", "422 `sample_rate_unsupported`"),
    47: ("0 or 65535 channels", "422 `media_invalid`"),
    48: ("64 channels", "413 `too_many_channels`"),
    49: ("samples of 0, 7 or 64 bits, unknown WAV formats", "415 `codec_unsupported`"),
    50: ("float samples that are no numbers", "422 `samples_not_finite`"),
    51: ("float samples that are infinite or 10³⁰", "422 `samples_not_finite`"),
    52: ("an odd byte at the end", "200"),
    53: ("RIFX, RF64, W64, an ID3 tag before RIFF", "415 `container_unsupported`"),
    54: ("10 ms of sound", "422 `media_too_short`"),
    55: ("silence, an offset, a full-scale square wave", "200, finite or null; flag `silent` on silence"),
    56: ("one second over the longest duration", "413 `media_too_long`"),
    57: ("an hour of silence in a few kilobytes", "413 `media_too_long`, memory bounded"),
    58: ("a header that claims less than there is", "413 `media_too_long`"),
    59: ("a header that claims 10⁹ s", "200 on what is there"),
    60: ("video without sound", "422 `no_audio_stream` where sound is needed"),
    61: ("sound without video", "200; 422 `no_video_stream` where pictures are needed"),
    62: ("40 or 1000 streams", "422 `too_many_streams`"),
    63: ("pictures larger than the limit, from the start or later", "413 `frame_too_large`"),
    64: ("more frames than the limit, in little space", "413 `too_many_frames`"),
    65: ("changing size, odd pixel formats, rotation, no frame rate", "200 or 422"),
    66: ("MP4 without its index, with it last, cut off anywhere", "422 `media_truncated`; 200 where it is only last"),
    67: ("MP4 cut off in its first frame", "422 `media_truncated`, and the decoder survives or is replaced"),
    68: ("bytes changed at random", "200, 413, 415 or 422"),
    69: ("tags that are no UTF-8", "200; tags are dropped"),
    70: ("an HLS playlist, whatever it is called", "415 `container_unsupported`; nothing is fetched or opened"),
    71: ("an ffconcat script with relative, absolute or HTTP names", "415 `container_unsupported`; nothing is opened"),
    72: ("an SDP text", "415 `container_unsupported`; no socket is opened"),
    73: ("DASH, IMF, SVG with links, a name pattern of pictures", "415 `container_unsupported`"),
    74: ("MP4 whose data lie elsewhere", "422 `media_external_reference`; nothing is opened"),
    75: ("ZIP, HTML, EXE, PNG, PDF or gzip before or around WAV", "415 `container_unsupported`"),
    76: ("EICAR or a prompt in the tags", "200; never echoed"),
    77: ("200 uploads at once, capacity 32", "32 × 200, the rest 503 with `Retry-After`; health answers throughout"),
    78: ("the client leaves while uploading, queued or inferring", "work is dropped, permits and memory are returned"),
    79: ("disk full or read-only", "200: nothing is written to a disk"),
    80: (
        "a part `profile` or `neutral` that is no document: cut off, 10,000 brackets, NaN, 10³⁰⁰, other members, over "
        "32 KiB, there twice",
        "422 `profile_invalid`; 400 `field_too_large`, `multipart_invalid`; nothing of it is repeated in the answer",
    ),
    81: (
        "`url` to another host or port, this machine, a cloud's metadata, in other spellings and schemes, with user, "
        "fragment, line breaks, of 8 KB; a name that leads inside, or elsewhere at the second look",
        "422 `url_refused`; nothing is asked, or the address that was checked",
    ),
    82: (
        "a far server that redirects, refuses, drips, hangs up, cuts off, never ends, lies about lengths, compresses, "
        "speaks no HTTP, or has another's certificate",
        "422 `url_unreadable`, 413 `body_too_large`; one request, memory bounded, the address never repeated",
    ),
    83: (
        "`url` twice, beside `file`, empty, of 40 KB, as a parameter, where several files are taken",
        "400 `multipart_invalid`, `too_many_files`, `field_missing`, `field_too_large`; 422 `config_invalid`",
    ),
}
"""Number → what is sent, and the answer."""

STREAMS: dict[str, tuple[str, str]] = {
    "no config": ("sound before the config, or silence", "`config_missing` or `stream_timeout`; 1008"),
    "garbage": ("text that is no JSON object of a known kind; 20,000 brackets", "`message_invalid`; 1007"),
    "wrong types": (
        "numbers as text, true as a number, 10³⁰, members that do not exist",
        "`config_invalid` with a JSON pointer; 1007",
    ),
    "documents": (
        "a `profile` or `neutral` in the config that is no document",
        "`profile_invalid` or `config_invalid`; 1007",
    ),
    "no numbers": (
        "NaN, Infinity and 1e400 in JSON; a picture's time that is no number",
        "`message_invalid`, `config_invalid` or `timestamps_invalid`; 1007",
    ),
    "beyond limits": (
        "hops of a millisecond, 99 channels, 100 Hz, a model that does not exist",
        "the upload's code; 1007 or 1008",
    ),
    "odd bytes": ("no whole samples of every channel; pictures shorter than their time", "`message_invalid`; 1007"),
    "too large": ("messages above the limit, a little or far", "`message_too_large`; 1009"),
    "bad pictures": (
        "no JPEG, cut off, full of zeros, larger than the limit",
        "`container_unsupported`; 1003, or `media_invalid`; 1007",
    ),
    "bad frames": ("action units missing, off the scale, as text; time that stands still", "the table's code; 1007"),
    "flood": (
        "sound faster than it is judged; 20,000 messages without sound",
        "the client is held back, then `stream_too_fast`; 1008",
    ),
    "slow reader": ("a client that reads no answers, of a stream or of an upload with events", "held back, then reset"),
    "silent client": ("nothing sent for too long", "`stream_timeout`; 1008"),
    "too long": ("more sound or more time than a stream may have", "`media_too_long` or `stream_timeout`; 1008"),
    "vanishes": (
        "gone in the middle of a window, of an upload with events, or before the first answer",
        "work is dropped, capacity and memory are returned",
    ),
    "stranger": (
        "resume of a session that another key began, that never was, or beyond its answers",
        "`session_not_found`; 1008; the session is not disturbed",
    ),
    "other pages": ("a page of another origin; no credentials", "403 `forbidden`, 401 `unauthenticated`: no stream"),
    "fifty sessions": (
        "50 sessions at once, some ended, some broken off, some left in the middle",
        "threads, descriptors, memory and capacity as before",
    ),
    "hostile uploads": (
        "rows of the first table with `Accept: text/event-stream`",
        "the same status; after the first event the event `problem`",
    ),
}
"""Name → what is sent, and the answer: the code, and with what the WebSocket is closed."""

JOBS: dict[str, tuple[str, str]] = {
    "ids": (
        "job ids too short or too long, of other alphabets, with path parts, NUL, escapes, of 20 KB",
        "404 `job_not_found` or `not_found`; 400 or 431 where it is no address",
    ),
    "idempotency keys": (
        "`Idempotency-Key` empty, of 10 KB, with spaces, control characters or other letters, given twice",
        "400 `http_invalid`",
    ),
    "same key": (
        "one key for another recording, other parameters, another call; twenty times at once",
        "409 `idempotency_conflict`; one job",
    ),
    "event ids": (
        "`Last-Event-ID` negative, huge, no number, of another job, of the future",
        "200: the events from the state as it is",
    ),
    "slow body": ("a recording that pauses, drips, or comes for too long", "408 `body_timeout`"),
    "aborted body": ("the client leaves while it uploads, raw or multipart", "no job"),
    "too large": (
        "one byte over the limit, with and without its length; 10 GB promised",
        "413 `body_too_large`, before the body is read where its length is told",
    ),
    "broken body": ("no boundary, cut off, no file, two files, an empty file, compressed, a form", "as for uploads"),
    "deleted twice": ("DELETE twice, and ten at once", "204 each"),
    "deleted while read": ("DELETE while the result is read", "200 and all of it, or 410 `result_expired`"),
    "read at once": (
        "ten readers of one result, which may be read once or always",
        "200 with the same bytes, or 410 `result_expired`",
    ),
    "listeners": (
        "a job succeeds, fails, is cancelled, deleted or expires while ten listen to its events",
        "a last event with the final state to each, then the end of the stream",
    ),
    "listeners leave": ("twenty listeners that vanish without a word", "nothing is kept of them"),
    "callback addresses": (
        "`callback` to another host or port, this machine, a cloud's metadata, with user, fragment, line breaks",
        "422 `callback_refused`; no job",
    ),
    "callback receivers": (
        "a receiver that redirects, fails or hangs up, or is away until the service starts again",
        "sent again with the same id, later and later; no redirect is followed; the job has ended meanwhile",
    ),
    "recordings by URL": (
        "rows 81 and 82 for a job; a recording that drips",
        "as for uploads, before the job is taken; the same recording by a freshly signed address is the same request",
    ),
    "wrong methods": ("PUT, PATCH and POST on the addresses of a job", "405 with `Allow`"),
}
"""Name → what is sent, and the answer. Whatever was refused or broke off leaves nothing in the spool."""

CHAOS: dict[str, tuple[str, str]] = {
    "decoder killed": ("SIGKILL of a decoder in the middle of a job", "503 for that job; replaced at once"),
    "terminated under load": ("SIGTERM while work is under way", "not ready at once, accepted work finishes, status 0"),
    "device out of memory": ("the device has no memory left", "split and retried; 503 if it stays so; still ready"),
    "device hangs": ("a call to the device does not return", "504, then not ready until it returns"),
    "clock jumps": ("the wall clock jumps by years, forth and back", "nothing: time limits use a monotonic clock"),
    "port busy": ("the port is taken; metrics have none of their own", "one line, status 1"),
    "model corrupted": ("a model file whose hash is wrong", "one line, status 1"),
    "no disk": ("nothing can be written", "200"),
    "one processor": ("a single processor", "200"),
    "little memory": ("512 MiB and row 57", "413; the next request 200"),
    "bad new version": (
        "a broken version is put beside the one that is served",
        "a new process refuses to start; the old one goes on (a reload refuses it: `contract/test_reload`)",
    ),
}
"""Name → what breaks, and what the service does."""
