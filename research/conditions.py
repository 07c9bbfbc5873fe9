"""Clean, noisy and denoised recordings of a corpus (D9, D12), made by the program from a seed."""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from export.corpora.audio import read_waveform
from export.corpora.tables import Corpus
from export.denoiser.bundle import denoiser_of
from export.denoiser.mixtures import RT60_RANGE_S, SNR_RANGE_DB, add_noise
from export.denoiser.noises import SAMPLE_RATE_HZ, UNSEEN_FAMILIES, unit_power
from export.denoiser.rooms import draw_room
from export.denoiser.scores import DISTANCE_M
from service.card import read_card

Condition = Literal["clean", "noisy", "denoised"]
CONDITIONS: tuple[Condition, ...] = ("clean", "noisy", "denoised")
LEVEL = np.float32(0.1)
"""Root mean square of the speech in every condition, so that level tells nothing of the condition."""

RECIPE_VERSION = 2
"""Version of the recipe, raised when the same seed makes other rooms or noises; files of older versions are ignored."""


def make_conditions(
    corpus: Corpus, denoiser: Path, seed: int, folder: Path, progress: Callable[[], None] | None = None
) -> dict[Condition, Corpus]:
    """The corpus in three conditions, as float wav files in a folder below ``folder``; files that are there are kept.

    'noisy' is the speech in a room from about 3 m away with a noise of a family that the denoiser was not trained on,
    at −5 … 20 dB; 'denoised' is that behind the denoiser. Room and noise of a recording are decided by the seed and
    the recording's name, so a part of a corpus sounds as it does in the whole.
    """
    card = read_card(denoiser)
    graph = card.file_with_role("model")
    denoise = denoiser_of(denoiser)
    families = list(UNSEEN_FAMILIES.values())
    origin = f"{corpus.folder.resolve()}\n{card.files[graph].sha256}\n{seed}\n{RECIPE_VERSION}"
    folder = folder / f"conditions-{corpus.name}-{hashlib.sha256(origin.encode()).hexdigest()[:12]}"
    files: dict[Condition, list[Path]] = {condition: [] for condition in CONDITIONS}
    for utterance in corpus.utterances:
        assert utterance.audio is not None
        number = zlib.crc32(utterance.name.encode())
        name = f"{Path(utterance.name).stem}-{number:08x}.wav"
        places = {condition: folder / condition / name for condition in CONDITIONS}
        # The denoised file is written last: where it is, all three are whole.
        if not places["denoised"].is_file():
            random = np.random.default_rng([seed, number])
            speech = unit_power(read_waveform(utterance.audio, SAMPLE_RATE_HZ)) * LEVEL
            heard, _ = draw_room(random, SAMPLE_RATE_HZ, DISTANCE_M, RT60_RANGE_S).apply(speech)
            noise = families[number % len(families)](random, len(speech))
            noisy = add_noise(heard, noise, random.uniform(*SNR_RANGE_DB))
            signals = {"clean": speech, "noisy": noisy, "denoised": denoise(noisy)}
            for condition, place in places.items():
                place.parent.mkdir(parents=True, exist_ok=True)
                partial = place.with_suffix(".part")
                soundfile.write(partial, signals[condition], SAMPLE_RATE_HZ, format="WAV", subtype="FLOAT")
                partial.replace(place)
        for condition, place in places.items():
            files[condition].append(place)
        if progress:
            progress()
    return {
        condition: replace(
            corpus,
            utterances=tuple(
                replace(utterance, audio=file)
                for utterance, file in zip(corpus.utterances, files[condition], strict=True)
            ),
        )
        for condition in CONDITIONS
    }
