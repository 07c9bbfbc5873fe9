"""Reads what is drawn on plots."""

import io

import numpy as np
from PIL import Image

from service.pipeline.results import AudioEmotion
from service.pipeline.video.video_results import VideoAffect
from service.render.attribution_plot import attribution_page
from service.render.plot import audio_emotion_page
from service.render.plot_file import plot_file
from service.render.plot_style import PlotForm
from service.render.video_plot import affect_pages, video_affect_page

PNG = PlotForm()


def audio_emotion_png(result: AudioEmotion, **options: object) -> bytes:
    """The plot of a voice."""
    return plot_file([audio_emotion_page(result, **options)], PNG)


def video_affect_png(result: VideoAffect, **options: object) -> bytes:
    """The plot of a face over time."""
    return plot_file([video_affect_page(result, **options)], PNG)


def attribution_png(result: VideoAffect, **options: object) -> bytes:
    """The plot of an attribution."""
    return plot_file([attribution_page(result, **options)], PNG)


def affect_png(result: VideoAffect, include: frozenset[str], **options: object) -> bytes:
    """The plot of a face with all its parts."""
    return plot_file(affect_pages(result, include, **options), PNG)


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
