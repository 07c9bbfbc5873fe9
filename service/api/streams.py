"""``/v1/stream``: sound and pictures that are judged while they arrive."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import cast

from fastapi import APIRouter, WebSocket

from service.http.exchange import exchange_of
from service.http.problem_response import problem_response
from service.pipeline.video_setup import require_affect, require_faces
from service.problems import Forbidden
from service.schemas.streams import AudioConfig, ClientMessage, VideoConfig
from service.services import Services
from service.streams.audio_engine import AudioEngine, live_options
from service.streams.connection import OpenEngine, StreamConnection
from service.streams.engine import Engine
from service.streams.origin import is_permitted_origin
from service.streams.video_engine import VideoEngine, live_video_options

router = APIRouter(tags=["streams"])


@router.websocket("/v1/stream/audio")
async def stream_audio(websocket: WebSocket) -> None:
    """16 bit PCM in, one message a window out; docs/streaming.md describes the messages."""
    services: Services = websocket.app.state.services

    def open_engine(message: ClientMessage) -> AudioEngine:
        config = cast(AudioConfig, message)
        services.check_capacity()
        live = services.loaded.pipeline.live(live_options(config))
        return AudioEngine(live, config, services.settings.limits.stream_buffer_s)

    await _serve(websocket, services, AudioConfig, open_engine)


@router.websocket("/v1/stream/video")
async def stream_video(websocket: WebSocket) -> None:
    """JPEG pictures or action units in, arousal and valence out; docs/streaming.md describes the messages."""
    services: Services = websocket.app.state.services

    def open_engine(message: ClientMessage) -> Engine:
        config = cast(VideoConfig, message)
        services.check_capacity()
        affect = services.loaded.affect
        usable = require_faces(affect) if config.input == "jpeg" else require_affect(affect)
        return VideoEngine(usable.live(live_video_options(config)), config, services.settings.limits)

    await _serve(websocket, services, VideoConfig, open_engine)


async def _serve(
    websocket: WebSocket, services: Services, config: type[ClientMessage], open_engine: OpenEngine
) -> None:
    if not is_permitted_origin(websocket.headers, services.settings.cors_origins):
        exchange = exchange_of(websocket.scope)
        exchange.code = Forbidden.code
        refusal = Forbidden("Pages of this origin may not open streams.")
        await websocket.send_denial_response(problem_response(refusal, exchange.request_id))
        return

    def hold(seconds: float) -> AbstractContextManager[object]:
        return services.loaded.pipeline.admission.hold(seconds)

    await StreamConnection(websocket, services.streams, config, open_engine, hold).serve()
