"""The plot of a face: arousal, valence, confidence, speech, units and a published network, over time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from service.pipeline.video.video_results import VideoAffect
from service.render.looks_panels import LooksPanels
from service.render.plot_page import AFFECT_SCALE, BOTTOM, FOOTER_LINE, GAP, HEADING, RIGHT, TOP, Page
from service.render.plot_style import DARK, LIGHT, PAGE_INCHES, Style
from service.render.plot_timeline import draw_affect, draw_clock, draw_strip, shade_unknown
from service.render.video_panels import draw_scale, draw_uncertainty, draw_units, face_timeline, overall
from service.render.video_words import facts_of, footnotes, unit_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Arousal and valence in the face"
"""First line of a picture without a title."""

_LEFT, _AFFECT, _STRIP, _UNIT, _SCALE = 2.15, 2.4, 0.16, 0.235, 1.5  # inches


def affect_pages(
    result: VideoAffect, include: frozenset[str], *, title: str | None = None, dark: bool = False
) -> Iterator[Page]:
    """Draw all that ``include`` asks for and ``result`` has, page by page.

    The series over time come first, those of each face where every face was asked for, then the attribution, then the
    emotion of the sound track. Attribution that is asked for alone is drawn alone.
    """
    with_attribution = "attribution" in include and result.attribution is not None
    if not (with_attribution and include == {"attribution"}):
        for face in result.faces or ():
            yield video_affect_page(face, title=f"{title or TITLE}, face {face.face}", dark=dark)
        if not result.faces:
            yield video_affect_page(result, title=title, dark=dark)
    if with_attribution:
        from service.render.attribution_plot import attribution_page

        yield attribution_page(result, title=title, dark=dark)
    if "audio" in include and result.audio is not None:
        from service.render.plot import audio_emotion_page

        yield audio_emotion_page(result.audio, title="Emotion in the voice of the sound track", dark=dark)


def video_affect_page(result: VideoAffect, *, title: str | None = None, dark: bool = False) -> Page:
    """Draw ``result`` over time, with action units where it has them."""
    return _AffectPage(result, DARK if dark else LIGHT).draw(title)


class _AffectPage(Page):
    def __init__(self, result: VideoAffect, style: Style) -> None:
        self.result = result
        self.timeline = face_timeline(result)
        height = TOP + HEADING + _AFFECT + GAP + _STRIP + GAP + BOTTOM
        if result.speech is not None:
            height += _STRIP + GAP
        if result.action_units is not None:
            height += HEADING + _UNIT * len(result.action_unit_names) + GAP
        self.looks = None if result.expression is None else LooksPanels(result, result.expression)
        if self.looks is not None:
            height += self.looks.height + FOOTER_LINE
        super().__init__(style, height, _LEFT)

    def draw(self, title: str | None) -> Self:
        """Draw everything."""
        self.title(title or TITLE, facts_of(self.result))
        self._flags()
        pale = "" if self.result.arousal_uncertainty is None else "; pale: 95 % of refits"
        self.heading(AFFECT_SCALE + pale)
        span_s = (0.0, max(self.result.media.duration_s, float(self.timeline.end_s[-1])))
        affect = self.panel(_AFFECT)
        affect.set_xlim(*span_s)
        affect.set_autoscalex_on(False)
        draw_uncertainty(affect, self.result, self.style)
        draw_affect(affect, overall(self.result), self.timeline, self.style, unknown="no face")
        affect.set_yticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "+0.5", "+1"])
        last = self.panel(_STRIP, affect)
        draw_strip(last, self.timeline, self.timeline.probabilities[:, 0], "face confidence", self.style)
        shade_unknown(last, self.timeline, self.style)
        if self.timeline.speech is not None:
            last = self.panel(_STRIP, affect)
            draw_strip(last, self.timeline, self.timeline.speech, "speech", self.style)
        if self.result.action_units is not None:
            last = self._units(affect)
        if self.looks is not None:
            last = self.looks.draw(self, affect)
        draw_clock(last, span_s, self.style)
        self.footer(*footnotes(self.result), *([] if self.looks is None else [self.looks.origin]))
        return self

    def _flags(self) -> None:
        flags = [flag.replace("_", " ") for flag in self.result.flags if not flag.startswith("trained")]
        if flags:
            self.text(", ".join(flags), 0.36, x=PAGE_INCHES - 0.3, align="right")

    def _units(self, shared: Axes) -> Axes:
        top = self.heading("Action units, intensity 0 … 5", margin="mean")
        draw_scale(self.axes(top - 0.05, 0.1, left=PAGE_INCHES - RIGHT - _SCALE - 0.2, right=RIGHT + 0.2), self.style)
        axes = self.panel(_UNIT * len(self.result.action_unit_names), shared)
        names = [unit_in_words(unit) for unit in self.result.action_unit_names]
        draw_units(axes, self.timeline, names, self.style)
        return axes
