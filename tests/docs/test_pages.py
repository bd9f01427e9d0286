"""Every command and every statement of the pages runs, in the order of the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.conftest import NewReader
from tests.docs.pages import Page, missing_from, pages
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed

VSL_PSQL = ["vsl", "db", "psql", "--no-psqlrc"]


def _pages(place: str) -> pytest.MarkDecorator:
    found = [page for page in pages() if page.place == place]
    return pytest.mark.parametrize("page", found, ids=[page.name for page in found])


@_pages("embedded")
def test_page_beside_a_running_vsl(page: Page, running_home: Path, new_reader: NewReader) -> None:
    assert new_reader(running_home, psql=VSL_PSQL).follow(page) > 0


@_pages("fresh")
def test_page_from_nothing(page: Page, fresh_home: Path, new_reader: NewReader) -> None:
    assert new_reader(fresh_home, psql=VSL_PSQL).follow(page) > 0


@_pages("own")
def test_page_on_a_server_of_ones_own(
    page: Page, fresh_home: Path, own_server: dict[str, str], new_reader: NewReader
) -> None:
    user, database = own_server["your-username"], own_server["your-database"]
    reader = new_reader(
        fresh_home,
        psql=["psql", "--no-psqlrc", "-h", "127.0.0.1", "-U", user, "-d", database],
        names={
            name: value for name, value in own_server.items() if name not in ("port", "passfile")
        },
        PGPORT=own_server["port"],
        PGPASSFILE=own_server["passfile"],
    )
    assert reader.follow(page) > 0


@_pages("s3")
def test_page_beside_an_s3_server(
    page: Page, fresh_home: Path, new_reader: NewReader, s3_server: Seaweed
) -> None:
    names = {
        "https://your-s3-server": s3_server.endpoint,
        "your-bucket": s3_server.new_bucket(),
        "your-access-key": ACCESS_KEY,
        "your-secret-key": SECRET_KEY,
    }
    assert new_reader(fresh_home, psql=VSL_PSQL, names=names).follow(page) > 0


def test_every_page_with_blocks_says_where_they_run() -> None:
    silent = [page.name for page in pages() if page.place is None and page.blocks()]
    assert silent == ["CONTRIBUTING.md"]  # its commands change a checkout, or take minutes


def test_a_sample_is_compared_with_care() -> None:
    output = "submitted job_01a20911c1277558bdb58228e8a38572, $0.00 held\\nready in 12.5 s\\nend\\n"
    sample = "submitted job_01a209113b12799d9637388e55a4039a, $0.01 held\\n…\\nend\\n"
    assert missing_from(output.replace("\\n", "\n"), sample.replace("\\n", "\n")) is None
    assert missing_from("one\n", "two\n") == "two"
    assert missing_from("b\na\n", "a\nb\n") == "b"
