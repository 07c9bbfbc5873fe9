"""Reads what is drawn on plots."""

import io

import numpy as np
from PIL import Image


def pixels(picture: bytes) -> np.ndarray:
    """uint8 [height, width, 3]."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))


def mask(image: np.ndarray, colour: str, tolerance: int = 0) -> np.ndarray:
    """Pixels of that colour, bool [height, width]."""
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return (np.abs(image.astype(int) - wanted) <= tolerance).all(axis=2)


def count(image: np.ndarray, colour: str) -> int:
    """Pixels of exactly that colour."""
    return int(mask(image, colour).sum())


def ink_of(image: np.ndarray, dark: bool) -> np.ndarray:
    """Pixels that are not paper, bool [height, width]; the page is as wide as it should be and nothing is cut off."""
    assert image.shape[1] == 1320
    paper = image[0, 0]
    assert (paper.mean() < 64) == dark
    inked = (image != paper).any(axis=2)
    border = np.concatenate([inked[:8].ravel(), inked[-8:].ravel(), inked[:, :8].ravel(), inked[:, -8:].ravel()])
    assert not border.any(), "something is cut off at the edge"
    return inked
