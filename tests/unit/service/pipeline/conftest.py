from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.pipeline.decoding.decode import Decoder
from service.pipeline.decoding.long_decode import LongDecoder
from service.settings import Limits


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
