"""A crawler that follows the links of a served directory."""

from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
import requests

from pytest_httpserve import HTTPServe


class Links(HTMLParser):
    """Collects the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name == "href" and value]


def crawl(start: str) -> dict[str, int]:
    """The code under test: follows every link under ``start`` and records each status."""
    seen: dict[str, int] = {}
    waiting = [start]
    with requests.Session() as session:
        while waiting:
            url = waiting.pop(0)
            if url in seen or not url.startswith(start):
                continue
            response = session.get(url, timeout=5)
            seen[url] = response.status_code
            if response.headers["Content-Type"].startswith("text/html"):
                links = Links()
                links.feed(response.text)
                waiting += [urljoin(url, link) for link in links.found]
    return seen


@pytest.mark.serve_dir("site")
def test_no_link_of_the_site_is_dead(httpserve: HTTPServe) -> None:
    seen = crawl(httpserve.url_for("/"))

    assert set(seen.values()) == {200}
    # "logs/" has no index page: the server lists it, and the crawler finds the files through the listing.
    assert httpserve.url_for("/logs/monday.txt") in seen


@pytest.mark.serve_dir("site")
@pytest.mark.serve_dir("downloads", at="/files", listing=False, headers={"Cache-Control": "no-store"})
def test_two_directories_on_one_server(httpserve: HTTPServe) -> None:
    page = requests.get(httpserve.url_for("/guide.html"), timeout=5)
    almanac = requests.get(httpserve.url_for("/files/almanac.txt"), timeout=5)

    assert page.status_code == almanac.status_code == 200
    assert "Cache-Control" not in page.headers
    assert almanac.headers["Cache-Control"] == "no-store"
