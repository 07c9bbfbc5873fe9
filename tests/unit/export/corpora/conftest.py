"""Recordings for the miniatures of published corpora."""

import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="session")
def sound(tmp_path_factory):
    """A recording of 0.2 s in each format, by its suffix."""
    folder = tmp_path_factory.mktemp("sound")
    samples = 0.1 * np.random.default_rng(0).standard_normal(3200)
    for suffix in (".wav", ".flac", ".mp3"):
        soundfile.write(folder / f"sound{suffix}", samples, 16_000)
    return {path.suffix: path for path in folder.iterdir()}
