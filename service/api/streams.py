"""``/v1/stream``: sound and pictures that are judged while they arrive."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import cast

from fastapi import APIRouter, WebSocket
from starlette.datastructures import Headers

from service.access.caller import caller_of
from service.access.origin import is_foreign
from service.http.exchange import exchange_of
from service.http.problem_response import problem_response
from service.loaded import Loaded
from service.pipeline.video_setup import require_affect, require_faces
from service.problems import Forbidden
from service.rollout import with_canary
from service.schemas.streams import AudioConfig, ClientMessage, VideoConfig
from service.services import Services
from service.streams.analyser import StreamAnalyser
from service.streams.audio_analyser import AudioAnalyser, live_options
from service.streams.connection import StreamConnection
from service.streams.session import StreamSession
from service.streams.video_analyser import VideoAnalyser, live_video_options

router = APIRouter(tags=["streams"])


@router.websocket("/v1/stream/audio")
async def stream_audio(websocket: WebSocket) -> None:
    """16 bit PCM in, one message a window out; docs/streaming.md describes the messages."""
    services: Services = websocket.app.state.services

    def open_analyser(message: ClientMessage, loaded: Loaded) -> AudioAnalyser:
        config = cast(AudioConfig, message)
        options, draw = live_options(config), exchange_of(websocket.scope).request_id
        chosen = with_canary(options, services.settings, loaded.registry, websocket.headers, draw)
        live = loaded.pipeline.live(chosen)
        return AudioAnalyser(live, config, services.settings.limits.stream_buffer_s, services.metrics.answered)

    await _serve(websocket, services, AudioConfig, open_analyser)


@router.websocket("/v1/stream/video")
async def stream_video(websocket: WebSocket) -> None:
    """JPEG pictures or action units in, arousal and valence out; docs/streaming.md describes the messages."""
    services: Services = websocket.app.state.services

    def open_analyser(message: ClientMessage, loaded: Loaded) -> StreamAnalyser:
        config = cast(VideoConfig, message)
        usable = require_faces(loaded.affect) if config.input == "jpeg" else require_affect(loaded.affect)
        return VideoAnalyser(usable.live(live_video_options(config)), config, services.settings.limits)

    await _serve(websocket, services, VideoConfig, open_analyser)


async def _serve(
    websocket: WebSocket,
    services: Services,
    config: type[ClientMessage],
    open_analyser: Callable[[ClientMessage, Loaded], StreamAnalyser],
) -> None:
    limits = services.settings.limits

    def open_session(message: ClientMessage) -> StreamSession:
        services.streams.check()
        services.check_capacity()
        loaded = services.loaded  # what is held keeps these models open, though others take over meanwhile
        analyser = open_analyser(message, loaded)
        with ExitStack() as stack:
            stack.enter_context(loaded.pipeline.admission.hold(analyser.reserve_s))
            owner = caller_of(websocket.scope).owner
            return StreamSession(analyser, owner, services.work, limits, stack.pop_all())

    if not is_permitted_origin(websocket.headers, services.settings.cors_origins):
        exchange = exchange_of(websocket.scope)
        exchange.code = Forbidden.code
        refusal = Forbidden("Pages of this origin may not open streams.")
        await websocket.send_denial_response(problem_response(refusal, websocket.scope))
        return
    connection = StreamConnection(websocket, services.streams, limits, services.metrics, config, open_session)
    await connection.serve()


def is_permitted_origin(headers: Headers, permitted: Sequence[str]) -> bool:
    """Whether a page may open a WebSocket: the service's own page, or one of a permitted origin.

    The service has to check this itself, because browsers do not ask before they open a WebSocket.

    Args:
        headers: the request's; programs other than browsers send no ``Origin``.
        permitted: the setting ``cors_origins``; '*' permits all.
    """
    origins = headers.getlist("origin")
    return not is_foreign(headers.getlist("sec-fetch-site"), origins, headers.get("host", ""), permitted)
