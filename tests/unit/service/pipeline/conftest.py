from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.long_decode import LongDecoder
from service.pipeline.speech_pipeline import SpeechPipeline
from service.registry import Registry
from service.settings import Limits, Settings
from tests.plain_wav import PlainDecoder


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    """A decoder with one process and the service's own limits."""
    decoder = Decoder(Limits(), 1)
    decoder.start()
    yield decoder
    decoder.close()


@pytest.fixture(scope="module")
def decoders(decoder: Decoder) -> Iterator[tuple[Decoder, LongDecoder]]:
    """The decoder of uploads and that of jobs."""
    long = LongDecoder(Limits(), 1, 60.0)
    long.start()
    yield decoder, long
    long.close()


@pytest.fixture
def build() -> Iterator[Callable[..., SpeechPipeline]]:
    """Makes speech pipelines over the bundles of a folder, and closes them in the end."""
    with ExitStack() as closing:

        def make(folder: Path, *, decoder: Any = None, observe: Any = None, **changes: Any) -> SpeechPipeline:
            settings = Settings(**({"model_dirs": [folder], "device": "cpu", "threads": 2} | changes))
            pipeline = SpeechPipeline(settings, Registry.load(settings), decoder or PlainDecoder(), observe)
            closing.callback(pipeline.close)
            return pipeline

        yield make
