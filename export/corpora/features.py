"""Pictures of whole recordings in memory, for training: 128 mel bands in dB, before any cutting or scaling."""

import hashlib
import lzma
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from export.corpora.audio import read_waveform
from export.corpora.tables import FEATURE_FILE_NAME, Corpus, Utterance
from export.graph.front_end import POWER_RANGE_DB, PRESETS, FrontEnd

STORED_RANGE_DB = 100.0
"""Range kept below a recording's maximum: 20 dB more than the front end, so that a quiet crop keeps its own 80."""

FEATURE_STEPS = 63  # CREMA-D's features are v in 0 … 63 for v/63


@dataclass(frozen=True)
class Pictures:
    """One uint8 picture a recording, [bands, frames]; the value v stands for v·100/255 − 100 dB."""

    corpus: Corpus
    values: tuple[NDArray[np.uint8], ...]


def decibels_to_byte(decibels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Quantise dB below the recording's maximum to 0.39 dB steps."""
    return np.clip(np.rint((decibels / STORED_RANGE_DB + 1.0) * 255.0), 0, 255).astype(np.uint8)


def load_pictures(corpus: Corpus, cache: Path | None = None, progress: Callable[[], None] | None = None) -> Pictures:
    """Compute (or read from ``cache``) the pictures of all utterances with the mel bank of preset 'open'."""
    if not corpus.has_audio:
        return Pictures(corpus, _stored_pictures(corpus))
    names = "\n".join(utterance.name for utterance in corpus.utterances)
    file = cache / f"{corpus.name}-{hashlib.sha256(names.encode()).hexdigest()[:12]}.npz" if cache else None
    if file and file.is_file():
        with np.load(file) as stored:
            return Pictures(corpus, tuple(np.split(stored["values"], stored["ends"][:-1], axis=1)))
    front_end = FrontEnd(PRESETS["open"])

    def one(utterance: Utterance) -> NDArray[np.uint8]:
        picture = _picture(front_end, utterance)
        if progress:
            progress()
        return picture

    with ThreadPoolExecutor(2) as pool:
        values = tuple(pool.map(one, corpus.utterances))
    if cache and file:
        cache.mkdir(parents=True, exist_ok=True)
        ends = np.cumsum([value.shape[1] for value in values])
        np.savez_compressed(file, values=np.concatenate(values, axis=1), ends=ends)
    return Pictures(corpus, values)


def _picture(front_end: FrontEnd, utterance: Utterance) -> NDArray[np.uint8]:
    assert utterance.audio is not None
    waveform = torch.from_numpy(read_waveform(utterance.audio, front_end.preset.sample_rate_hz))
    with torch.no_grad():
        power = front_end.mel_power(waveform[None], torch.tensor([waveform.numel()]))[0].numpy()
    decibels = 10.0 * np.log10(np.maximum(power, 1e-30))
    return decibels_to_byte(decibels - decibels.max())


def _stored_pictures(corpus: Corpus) -> tuple[NDArray[np.uint8], ...]:
    with lzma.open(corpus.folder / FEATURE_FILE_NAME) as file:
        frames = np.load(file)
    scaled = frames.astype(np.float32) * (POWER_RANGE_DB / FEATURE_STEPS) - POWER_RANGE_DB
    quantised = decibels_to_byte(scaled)
    pictures = []
    for utterance in corpus.utterances:
        assert utterance.frames is not None
        first, count = utterance.frames
        pictures.append(np.ascontiguousarray(quantised[first : first + count].T))
    return tuple(pictures)
