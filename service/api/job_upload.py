"""A job's recording from the request's body into the spool, a megabyte at a time."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Final

from fastapi import Request

from service.access.caller import caller_of, sender_of
from service.http.exchange import exchange_of
from service.http.multipart import URL, Documents
from service.http.uploads import BodySink, RawBody, choose_sink, declared_bytes, fetched, too_large
from service.http.work_pool import ClientGoneError
from service.jobs.job import Job, JobOptions
from service.jobs.plans import job_limits
from service.jobs.reception import Reception
from service.outgoing.address import callback_permission, input_permission, read_target
from service.outgoing.fetch import Receive
from service.problems import BodyTimeout, Malformed, RateLimited, Unavailable
from service.services import services_of
from service.settings import Settings

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
STRIDE_BYTES: Final = 65_536
"""Bytes that must arrive within each ``body_timeout_s``, so that a trickling client cannot keep a place."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def receive_job(
    request: Request,
    options: JobOptions,
    part: str,
    complete: Callable[[Documents], JobOptions],
    callback: str | None,
) -> Job:
    """Read the recording and make it a job.

    Args:
        options: as the query says.
        part: name of the document that the body may hold.
        complete: makes the options whole when the body is there.
        callback: address that is told of the job's end, or None.

    Raises:
        CallbackRefused: the callback is not permitted.
        Problem: the upload is refused, or the options cannot be used.
        ClientGoneError: the client closed the connection meanwhile.
    """
    services = services_of(request)
    key = idempotency_key(request)
    if callback is not None:
        read_target(callback, callback_permission(services.settings))
    try:
        problem = services.health.work_problem()
        if problem is not None:
            raise problem
        jobs = services.jobs
        with services.uploads.hold(sender_of(request.scope)):
            limits = job_limits(services.settings)
            target = _Target()
            documents: Documents = {part: bytearray(), URL: bytearray()}
            sink = choose_sink(request, limits, target, documents=documents)
            caller = caller_of(request.scope)
            reception = await asyncio.to_thread(
                jobs.receive, options, caller.owner, key, declared_bytes(request), caller.limits, callback
            )
            target.reception = reception
            try:
                with exchange_of(request.scope).stage("upload"):
                    await _pour(request.receive, sink, reception, services.settings)
                    sink.finish()
                    if documents[URL]:
                        permission = input_permission(services.settings)
                        async with fetched(request, documents, permission, limits) as receive:
                            await _pour(receive, RawBody(target), reception, services.settings)
                    await asyncio.to_thread(jobs.complete, reception, complete(documents))
                    return await asyncio.to_thread(reception.finish)
            except BaseException:
                await asyncio.shield(asyncio.to_thread(reception.abandon))
                raise
    except (Unavailable, RateLimited) as problem:
        services.metrics.shed_total.labels(problem.code).inc()
        raise


def idempotency_key(request: Request) -> str | None:
    """The request's ``Idempotency-Key``, if it has one.

    Raises:
        Malformed: it is empty, too long, given twice or not of visible ASCII.
    """
    return chosen_key(request.headers.getlist(IDEMPOTENCY_KEY))


def chosen_key(keys: Sequence[str]) -> str | None:
    """The only key among ``keys``, the values of the header; None if there are none.

    Raises:
        Malformed: see :func:`idempotency_key`.
    """
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise Malformed(f"{IDEMPOTENCY_KEY} takes 1 to 255 visible ASCII characters, once.")
    return keys[0]


class _Target:
    """Hands the recording on to a reception that begins after the headers were judged."""

    reception: Reception

    def extend(self, content: memoryview, /) -> None:
        self.reception.extend(content)


async def _pour(receive: Receive, sink: BodySink, reception: Reception, settings: Settings) -> None:
    """Take the body; it may take long, but not ``body_timeout_s`` for a stride."""
    stride_s = settings.limits.body_timeout_s
    clock = asyncio.get_running_loop().time
    more, body_bytes = True, 0
    stride_end, due_at = STRIDE_BYTES, clock() + stride_s
    try:
        async with asyncio.timeout(settings.job_upload_timeout_s):
            while more:
                async with asyncio.timeout_at(due_at):
                    message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                body_bytes += len(chunk)
                if body_bytes > settings.max_job_body_bytes:
                    raise too_large(settings.max_job_body_bytes)
                sink.write(chunk)
                if reception.is_full:
                    await asyncio.to_thread(reception.flush)
                    due_at = clock() + stride_s  # our disk's time is not the client's
                if body_bytes >= stride_end:
                    stride_end, due_at = body_bytes + STRIDE_BYTES, clock() + stride_s
    except TimeoutError:
        raise BodyTimeout from None
