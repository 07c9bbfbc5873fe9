"""The documentation builds as a site whose links all lead somewhere and which loads nothing from elsewhere."""

import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

from tests.support.documents import ROOT

LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""Elements that a browser fetches by itself, and the attribute with the address."""


@dataclass(eq=False)
class Page(HTMLParser):
    """The ids, links and fetched addresses of one page."""

    path: Path
    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in LOADED and LOADED[tag] in given:
            self.fetched.append(given[LOADED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built in strict mode: a page outside the navigation or a dead link stops it."""
    folder = tmp_path_factory.mktemp("site")
    command = ["build", "--strict", "--config-file", str(ROOT / "mkdocs.yml"), "--site-dir", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "properdocs", *command], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {
        path: Page(path) for path in site.rglob("*.html") if "examples" not in path.parts and path.name != "404.html"
    }


def test_every_document_is_a_page(site: Path, pages: dict[Path, Page]) -> None:
    documents = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert {path.relative_to(site) for path in pages} == documents


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    dead = [
        f"{path.relative_to(site)}: {link}"
        for path, page in pages.items()
        for link in page.links
        if not urlsplit(link).scheme and not leads_somewhere(path, link, pages)
    ]
    assert dead == []


def leads_somewhere(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    """Whether a link within the site names a file of it and, where it has a fragment, an id of that page."""
    file, fragment = urldefrag(link)
    target = (path.parent / unquote(file)).resolve() if file else path
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file():
        return False
    return not fragment or target not in pages or unquote(fragment) in pages[target].ids


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    outside = {
        f"{path.relative_to(site)}: {address}"
        for path, page in pages.items()
        for address in page.fetched
        if urlsplit(address).netloc
    }
    sheets = {path for path in site.rglob("*.css") if "url(http" in path.read_text(encoding="utf-8").replace('"', "")}
    assert (outside, sheets) == (set(), set())


def test_a_dead_link_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<h1 id="here"></h1><a href="#here"></a><a href="#there"></a><a href="none.html"></a>')
    pages = {page: Page(page)}
    assert [leads_somewhere(page, link, pages) for link in pages[page].links] == [True, False, False]
