"""Plots for print: what SVG and PDF hold, and what they must not."""

import re
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from service.render.plot import audio_emotion_page
from service.render.plot_file import plot_file
from service.render.plot_page import Page
from service.render.plot_style import PlotForm
from service.render.video_plot import affect_pages
from tests.support.example_affect import example_affect
from tests.support.example_results import NINE_LABELS, SIX_LABELS, example_result

SVG, PDF = PlotForm("svg"), PlotForm("pdf")
MEDIABOX = re.compile(rb"/MediaBox \[ 0 0 ([0-9.]+) ([0-9.]+) \]")
SPACE = "{http://www.w3.org/2000/svg}"
PARTS = frozenset({"action_units", "attribution", "audio", "expression"})
HOSTILE = "<script>alert(1)</script> & \U0001f600 \u202e $x^2$ ]]> --"


def voice(windows: int = 12, **options: object) -> Iterator[Page]:
    yield audio_emotion_page(example_result(windows), **options)


def face(steps: int = 200, **options: object) -> Iterator[Page]:
    return affect_pages(example_affect(steps, gaps=((60, 90),), audio=True, expression=True), PARTS, **options)


def texts(drawn: bytes) -> list[str]:
    return ["".join(one.itertext()) for one in ElementTree.fromstring(drawn).iter(f"{SPACE}text")]


@pytest.mark.parametrize("form", [SVG, PDF, PlotForm()], ids=lambda form: form.kind)
@pytest.mark.parametrize("pages", [voice, face])
def test_the_same_answer_gives_the_same_bytes(form: PlotForm, pages: Callable[..., Iterator[Page]]) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(lambda dark: plot_file(pages(dark=dark), form), [False, True, False, True]))) == 2


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("pages", [voice, face])
def test_an_svg_is_alone_in_the_world(pages: Callable[..., Iterator[Page]], dark: bool) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        drawn = plot_file(pages(title=HOSTILE, dark=dark), SVG)
    assert b"<!DOCTYPE" not in drawn
    assert b"matplotlib" not in drawn.lower()
    root = ElementTree.fromstring(drawn)
    assert root.get("width") == "180mm"
    names = {element.tag.removeprefix(SPACE) for element in root.iter()}
    assert names <= {"svg", "title", "g", "defs", "style", "path", "clipPath", "rect", "use", "text", "image"}
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert not name.endswith("href") or value.startswith(("#", "data:image/png;base64,"))
            assert "url(" not in value.replace("url(#", "")
        if element.tag == f"{SPACE}style":
            assert element.text == "*{stroke-linejoin: round; stroke-linecap: butt}"
    identities = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(identities) == len(set(identities)) > 0
    assert "<script>alert(1)</script> & \U0001f600 $x^2$ ]]> --" in texts(drawn)
    assert root.findtext(f"{SPACE}title") == "<script>alert(1)</script> & \U0001f600 $x^2$ ]]> --"


@pytest.mark.parametrize("windows", [1, 12])
def test_words_and_units_are_text(windows: int) -> None:
    found = texts(plot_file(voice(windows), SVG))
    assert {*SIX_LABELS, "min:s"} <= set(found)
    assert any(text.startswith("±") for text in found)
    assert any("−1 … +1" in text or "−1 calm … +1 excited" in text for text in found)
    assert any("0 … 1" in text or text == "100 %" for text in found)
    assert "h:min:s" in texts(plot_file(voice(4000), SVG))
    seen = texts(plot_file(face(), SVG))
    assert {"Action units, intensity 0 … 5", "min:s", "pale 0, full 1"} <= set(seen)
    assert "what a cell adds to the mean, which is −1 … +1; bars sum a row" in seen


def test_letters_of_a_pdf_are_embedded_and_nothing_acts() -> None:
    drawn = plot_file(voice(title="talk.wav"), PDF)
    assert drawn.count(b"/Subtype /CIDFontType2") == 2, "regular and bold"
    assert drawn.count(b"/FontFile2") == 2
    assert b"/Type3" not in drawn
    for word in (b"/JavaScript", b"/JS", b"/URI", b"/OpenAction", b"/CreationDate", b"/Producer", b"atplotlib"):
        assert word not in drawn
    assert b"/Title (talk.wav)" in drawn


@pytest.mark.parametrize("width_mm", [165.0, 180.0, 841.0])
def test_a_page_has_the_width_in_print(width_mm: float) -> None:
    sizes = [tuple(map(float, size)) for size in MEDIABOX.findall(plot_file(face(), PlotForm("pdf", width_mm)))]
    assert len(sizes) == 3, "the face, the attribution and the voice"
    assert {round(width / 72 * 25.4, 2) for width, _ in sizes} == {width_mm}
    root = ElementTree.fromstring(plot_file(face(), PlotForm("svg", width_mm)))
    assert root.get("width") == f"{width_mm:g}mm"
    *_, width, height = map(float, str(root.get("viewBox")).split())
    assert height / width == pytest.approx(sum(tall / wide for wide, tall in sizes), rel=1e-3)


def test_lines_of_a_pdf_go_to_the_end_of_the_panel() -> None:
    """Paths are cut at the page of 11 inches, not at the smaller one in print."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", plot_file(voice(40), PDF), re.DOTALL)
    page = max((zlib.decompress(one) for one in streams if one[:1] == b"x"), key=lambda text: text.count(b" l\n"))
    ends = [float(line.split()[0]) for line in page.splitlines() if line.endswith((b" l", b" m"))]
    assert 690 < max(ends) <= 792


def test_hours_stay_small() -> None:
    hours = example_result(20_000, NINE_LABELS, hop_s=0.5)
    for form, most in ((SVG, 3e6), (PDF, 1e6)):
        assert len(plot_file([audio_emotion_page(hours)], form)) < most
        assert len(plot_file(affect_pages(example_affect(20_000), PARTS), form)) < most


def test_settings_of_the_process_stay_as_they_are() -> None:
    before = dict(mpl.rcParams)
    for form in (SVG, PDF):
        plot_file(voice(1), form)
    assert dict(mpl.rcParams) == before
