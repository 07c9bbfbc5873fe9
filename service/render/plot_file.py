"""Pages of a plot as one file: PNG, or SVG and PDF at print size.

Words stay text in SVG and PDF: they can be searched, read aloud and set in another font. A PDF embeds its letters as
TrueType (Type 42). An SVG names the font and lets the reader's program substitute it, since paths of letters would be
neither searched nor edited. Large heat maps are images of 310 dots an inch at 180 mm. The same answer gives the same
bytes, and neither form has a script, a date, or a reference to anything outside itself.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterable, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from service.render.plot_page import Page
from service.render.plot_style import PAGE_INCHES, PlotForm, one_line

_MM_PER_INCH: Final = 25.4
_POINTS_PER_INCH: Final = 72
_IMAGE_DOTS_PER_INCH: Final = 200  # of a page of 11 inches; 310 at 180 mm
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.id": None,
    "svg.image_inline": True,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,  # the PDF writer reads the largest glyph from it
    "pdf.compression": 6,
    "pdf.use14corefonts": False,
    "pdf.inheritcolor": False,
}
_settings_lock = threading.Lock()  # matplotlib's settings belong to the process
_GROUP = re.compile(r'<g id="[^"]*"')  # names that repeat from page to page; nothing refers to them


def plot_file(pages: Iterable[Page], form: PlotForm) -> bytes:
    """Draw ``pages``, of one width: one below the other, or in a PDF each on a page of its own.

    matplotlib keeps each thread's fonts open; they are closed here, which costs nothing that can be measured.
    """
    from matplotlib import font_manager

    try:
        if form.kind == "png":
            return _joined_below([page.png() for page in pages])
        return _svg(pages, form.width_mm) if form.kind == "svg" else _pdf(pages, form.width_mm)
    finally:
        font_manager._get_font.cache_clear()  # type: ignore[attr-defined]


def _joined_below(pages: Sequence[bytes]) -> bytes:
    """One PNG of several, each below the one before."""
    from PIL import Image

    if len(pages) == 1:
        return pages[0]
    pictures = [Image.open(io.BytesIO(page)).convert("RGB") for page in pages]
    whole = Image.new("RGB", (pictures[0].width, sum(picture.height for picture in pictures)))
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue()


def _svg(pages: Iterable[Page], width_mm: float) -> bytes:
    """One picture in units of points on a page of 11 inches, shown ``width_mm`` wide."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    name, height, drawn = "", 0.0, []
    nothing: dict[str, Any] = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    for number, page in enumerate(pages):
        text = io.StringIO()
        page.figure.set_dpi(_IMAGE_DOTS_PER_INCH)
        with _settings_lock, mpl.rc_context({**_SETTINGS, "svg.hashsalt": f"emoserve-{number}"}):
            FigureCanvasSVG(page.figure).print_svg(text, metadata=nothing)  # type: ignore[no-untyped-call]
        inner = re.split(r"<svg[^>]*>|</svg>", text.getvalue())[1]
        drawn.append(f'<g transform="translate(0 {height:g})">{_GROUP.sub("<g", inner)}</g>\n')
        name = name or page.name
        height += page.height * _POINTS_PER_INCH
    width = PAGE_INCHES * _POINTS_PER_INCH
    size = f'width="{width_mm:g}mm" height="{width_mm * height / width:g}mm" viewBox="0 0 {width:g} {height:g}"'
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    head = f'<?xml version="1.0" encoding="utf-8"?>\n<svg {spaces} version="1.1" {size}>\n'
    return f"{head}<title>{escape(one_line(name))}</title>\n{''.join(drawn)}</svg>\n".encode()


def _pdf(pages: Iterable[Page], width_mm: float) -> bytes:
    """One document, each page ``width_mm`` wide."""
    import matplotlib as mpl
    from matplotlib.backends import backend_pdf
    from matplotlib.backends.backend_mixed import MixedModeRenderer

    scale = width_mm / (PAGE_INCHES * _MM_PER_INCH)
    buffer, document = io.BytesIO(), None
    nothing: dict[str, Any] = dict.fromkeys(("Creator", "Producer", "CreationDate"))
    with _settings_lock, mpl.rc_context(_SETTINGS):
        for page in pages:
            if document is None:
                named = {"Title": one_line(page.name), **nothing}
                document = backend_pdf.PdfFile(buffer, metadata=named)  # type: ignore[no-untyped-call]
            page.figure.set_dpi(_POINTS_PER_INCH)
            document.newPage(scale * PAGE_INCHES, scale * page.height)  # type: ignore[no-untyped-call]
            document.output(scale, 0, 0, scale, 0, 0, backend_pdf.Op.concat_matrix)  # type: ignore[no-untyped-call]
            size = document.width, document.height = PAGE_INCHES, page.height  # lines are cut there
            letters = backend_pdf.RendererPdf(document, _IMAGE_DOTS_PER_INCH, *size[::-1])  # type: ignore[no-untyped-call]
            renderer: Any = MixedModeRenderer(page.figure, *size, _IMAGE_DOTS_PER_INCH, letters)  # type: ignore[no-untyped-call]
            page.figure.draw(renderer)
            renderer.finalize()
            document.endStream()  # type: ignore[no-untyped-call]
        assert document is not None
        document.finalize()  # type: ignore[no-untyped-call]
        document.close()  # type: ignore[no-untyped-call]
    return buffer.getvalue()
