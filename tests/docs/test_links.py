"""Links lead somewhere, and every page can be found."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest
from tests.docs.pages import ROOT, Page, pages

ALL = pages()
MESSAGE = re.compile(r"^\| `([^`]+)` \|", re.M)


@pytest.mark.parametrize("page", ALL, ids=[page.name for page in ALL])
def test_links_of_a_page_resolve(page: Page) -> None:
    known = {other.path.resolve(): other for other in ALL}
    for link in page.links():
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (page.path.parent / file).resolve() if file else page.path.resolve()
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in known[target].anchors(), f"{link}: no such heading"


def test_the_index_names_every_page() -> None:
    index = next(page for page in ALL if page.name == "docs/index.md")
    linked = {(index.path.parent / link.partition("#")[0]).resolve() for link in index.links()}
    pages_below = {page.path.resolve() for page in ALL if page.path.parent != ROOT}
    assert pages_below - {index.path.resolve()} <= linked


@pytest.mark.parametrize("page", ALL, ids=[page.name for page in ALL])
def test_a_page_names_no_place_of_a_machine(page: Page) -> None:
    assert re.findall(r"(?<![\w.])/(?:work|root|tmp|home)/\S*", page.text) == []


def test_the_picture_is_a_picture_of_a_run() -> None:
    root = ET.fromstring((ROOT / "docs" / "images" / "demo.svg").read_text("utf-8"))  # noqa: S314 - ours
    words = " ".join("".join(root.itertext()).replace("\N{NO-BREAK SPACE}", " ").split())
    for name in ("vsl-speech.wav", "vsl-image.png", "vsl-video.mp4"):
        assert f"demo-output/{name} completed" in words


def test_what_the_program_says_is_what_it_says() -> None:
    page = next(page for page in ALL if page.name.endswith("troubleshoot.md"))
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "database" / "functions").glob("*.sql")]
    # Literals that stand below each other are one text.
    text = re.sub(r'"\s+f?"', "", "".join(path.read_text("utf-8") for path in sources))
    said = [fragment for message in MESSAGE.findall(page.text) for fragment in message.split("…")]
    wanted = [fragment.strip(" .()") for fragment in said if len(fragment) > 5]
    assert len(wanted) > 10
    missing = [fragment for fragment in wanted if fragment not in text]
    assert missing == ["permission denied for table"]  # PostgreSQL's own words
