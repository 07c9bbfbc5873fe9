"""``emoserve check``: does all of it work on this machine?"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import orjson

from service.cli.settings_flags import add_model_flags, settings_from
from service.cli.terminal import failure_line
from service.local.engine import PATIENCE_S
from service.local.sources import printable
from service.pipeline.audio_options import EmbeddingOptions
from service.pipeline.device.task import Work
from service.pipeline.video_setup import load_affect
from service.probe import PROBE_RATE_HZ, judge_probe, probe_samples, probe_wav
from service.settings import Settings

if TYPE_CHECKING:
    from service.pipeline.decoding.decode import Decoder
    from service.pipeline.speech_pipeline import SpeechPipeline
    from service.pipeline.video_pipeline import VideoPipeline
    from service.registry import Bundle, Registry


Made = TypeVar("Made")


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str


def tried(name: str, action: Callable[[], str]) -> Check:
    """The check ``name``, whose detail is what ``action`` returns, or the reason why it failed."""
    detail, problem = attempt(action)
    return Check(name, ok=detail is not None, detail=detail or problem)


def attempt(action: Callable[[], Made]) -> tuple[Made | None, str]:
    """The result of ``action``, or None and the reason: whatever goes wrong is what a check is for."""
    try:
        return action(), ""
    except Exception as error:
        return None, failure_line(error) or printable(f"{type(error).__name__}: {' '.join(str(error).split())}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this command."""
    parser.add_argument("--json", action="store_true", help="one JSON document")
    add_model_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print one line a check; returns the exit status: 0 only if all is well."""
    settings = settings_from(arguments)
    checks = []
    for check in run_checks(settings):
        checks.append(check)
        if not arguments.json:
            sys.stdout.write(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}\n")
            sys.stdout.flush()
    well = all(check.ok for check in checks)
    if arguments.json:
        document = {"ok": well, "checks": [asdict(check) for check in checks]}
        sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    return 0 if well else 1


def run_checks(settings: Settings) -> Iterator[Check]:
    """Try jobs, bundles, decoder, device and models in this order, but nothing that needs what failed."""
    yield from job_checks(settings)
    with ExitStack() as stack:
        registry, problem = attempt(lambda: _load_registry(settings))
        if registry is None:
            yield Check("bundles", ok=False, detail=problem)
        else:
            yield from _bundle_checks(registry, settings)
        decoder, problem = attempt(lambda: _start_decoder(settings, stack))
        if decoder is not None:
            yield tried("sandbox", lambda: _decode_probe(decoder))
        else:
            yield Check("sandbox", ok=False, detail=problem)
        if registry is None or decoder is None:
            yield Check("models", ok=False, detail="not tried, because of the above")
            return
        pipeline, problem = attempt(lambda: _start_pipeline(settings, registry, decoder, stack))
        if pipeline is None:
            yield Check("models", ok=False, detail=problem)
            return
        yield Check("provider", ok=True, detail=f"{pipeline.provider} (device={settings.device}){_fallback(settings)}")
        for bundle in _speech_bundles(registry):
            yield tried(f"model {_name(bundle)}", partial(_judge_probe, pipeline, bundle))
        for bundle in registry.of_task("speech-embedding"):
            yield tried(f"model {_name(bundle)}", partial(_embed_probe, pipeline, bundle))
        yield from face_checks(settings, registry, decoder, pipeline, stack)


def _fallback(settings: Settings) -> str:
    """Why the CPU runs although a GPU is there; empty where it does not."""
    from service.pipeline.device.session import why_fallen_back

    reason = why_fallen_back(settings.device)
    return "" if reason is None else printable(f", the GPU is not used: {reason}")


def _load_registry(settings: Settings) -> Registry:
    from service.registry import Registry

    return Registry.load(settings)


def _bundle_checks(registry: Registry, settings: Settings) -> Iterator[Check]:
    for bundle in registry.bundles:
        size = sum(entry.size_bytes for entry in bundle.card.files.values())
        detail = f"{bundle.card.task}, {size / 1e6:.1f} MB, card and hashes right, sha256 {bundle.sha256[:12]}…"
        yield Check(f"bundle {_name(bundle)}", ok=True, detail=detail)
    for entry in registry.withheld:
        yield Check(f"bundle {entry.name}/{entry.version}", ok=True, detail=f"withheld: {entry.reason}")
    if not _speech_bundles(registry):
        folders = ", ".join(map(str, settings.model_dirs))
        yield Check("bundles", ok=False, detail=printable(f"there is no speech model in {folders}"))


def _speech_bundles(registry: Registry) -> list[Bundle]:
    return [bundle for bundle in registry.bundles if bundle.card.task == "speech-emotion"]


def _start_decoder(settings: Settings, stack: ExitStack) -> Decoder:
    from service.pipeline.decoding.decode import Decoder

    decoder = Decoder(settings.limits, 1, is_strict=settings.sandbox == "strict")
    stack.callback(decoder.close)
    decoder.start()
    return decoder


def _decode_probe(decoder: Decoder) -> str:
    began_s = time.monotonic()
    decoded = decoder.audio(probe_wav(), target_rate_hz=PROBE_RATE_HZ, start_s=None, end_s=None)
    took_ms = 1000 * (time.monotonic() - began_s)
    wanted = probe_samples()
    if decoded.samples.shape != (1, len(wanted)) or np.abs(decoded.samples[0] - wanted).max() > 1e-4:
        raise ValueError("a wav of known samples was decoded to others")
    pids = decoder.worker_pids()
    if not pids or os.getpid() in pids:
        raise ValueError("decoding does not happen in a process of its own")
    layers = ", ".join(f"{name} {orjson.dumps(value).decode()}" for name, value in asdict(decoder.confinement).items())
    return f"{len(wanted) / PROBE_RATE_HZ:g} s of wav decoded in a process of its own in {took_ms:.0f} ms; {layers}"


def _start_pipeline(settings: Settings, registry: Registry, decoder: Decoder, stack: ExitStack) -> SpeechPipeline:
    from service.pipeline.speech_pipeline import SpeechPipeline

    pipeline = SpeechPipeline(settings, registry, decoder)
    stack.callback(pipeline.close)
    pipeline.warm_up()
    return pipeline


def _judge_probe(pipeline: SpeechPipeline, bundle: Bundle) -> str:
    began_s = time.monotonic()
    result = judge_probe(pipeline, bundle, PATIENCE_S)
    as_told = "" if bundle.card.check_clip is None else "; the check clip is answered as its card says"
    took_ms = 1000 * (time.monotonic() - began_s)
    probabilities = result.channels[0].probabilities
    if probabilities is None:
        return f"ran; found no speech in {result.media.duration_s:g} s of tone in {took_ms:.0f} ms{as_told}"
    return f"ran; {len(probabilities)} probabilities for {result.media.duration_s:g} s in {took_ms:.0f} ms{as_told}"


def _embed_probe(pipeline: SpeechPipeline, bundle: Bundle) -> str:
    began_s = time.monotonic()
    asked = EmbeddingOptions(bundle.card.name, bundle.card.version)
    result = pipeline.embed(probe_wav(), asked, Work.within(PATIENCE_S))
    took_ms = 1000 * (time.monotonic() - began_s)
    if result.model.sha256 != bundle.sha256:
        raise ValueError("other weights answered")
    rows = result.channels[0].rows
    if not np.isfinite(rows).all():
        raise ValueError("a tone has no embedding")
    return f"ran; {result.dimensions} dimensions for {result.media.duration_s:g} s in {took_ms:.0f} ms"


def _name(bundle: Bundle) -> str:
    return f"{bundle.card.name}/{bundle.card.version}"


def job_checks(settings: Settings) -> Iterator[Check]:
    """Try folders and database, and leave nothing there; what a running service has there is not touched."""
    if not settings.jobs:
        yield Check("jobs", ok=True, detail="switched off")
        return
    yield tried("jobs", lambda: _try_places(settings))


def _try_places(settings: Settings) -> str:
    folders = list(dict.fromkeys([settings.state_dir, settings.spool_dir or settings.state_dir]))
    for folder in folders:
        _write_into(folder)
    written = f"{' and '.join(map(str, folders))} can be written to"
    if settings.jobs_database_url is None:
        return written
    _ask_database(settings)
    return f"{written}, the database answers"


def _write_into(folder: Path) -> None:
    """Write a file that has no name. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")


def _ask_database(settings: Settings) -> None:
    """Connect and ask for a number. Raises sqlalchemy.exc.SQLAlchemyError."""
    import sqlalchemy as sql

    from service.jobs.ledger import postgres_address

    engine = sql.create_engine(postgres_address(settings), connect_args={"connect_timeout": 10})
    try:
        with engine.connect() as connection:
            connection.execute(sql.select(1))
    finally:
        engine.dispose()


def face_checks(
    settings: Settings, registry: Registry, decoder: Decoder, speech: SpeechPipeline, stack: ExitStack
) -> Iterator[Check]:
    """Run every graph of the face half. What is not prepared is said, and is no failure: speech works without it."""
    bundles = registry.of_task("affect")
    if not bundles:
        yield Check("faces", ok=True, detail="no affect model: videos and action units are answered 503")
        return
    affect, problem = attempt(lambda: _start_affect(settings, registry, decoder, speech, stack))
    if affect is None:
        yield Check("faces", ok=False, detail=problem)
        return
    for bundle in bundles:
        yield Check(f"model {bundle.card.name}/{bundle.card.version}", ok=True, detail="ran")
    missing = "not prepared, videos are answered 503: run `emoserve setup`"
    yield Check("faces", ok=True, detail="the networks ran" if affect.has_faces else missing)


def _start_affect(
    settings: Settings, registry: Registry, decoder: Decoder, speech: SpeechPipeline, stack: ExitStack
) -> VideoPipeline:
    affect = load_affect(settings, registry, decoder, speech)  # runs every graph once
    assert affect is not None
    stack.callback(affect.close)
    return affect
