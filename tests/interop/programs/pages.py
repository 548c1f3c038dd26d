"""The pages that servers make by themselves, of errors and of directories: their markup may differ, their facts not."""

from __future__ import annotations

import html
import re

_ERRORS = (
    re.compile(
        r"<!DOCTYPE HTML>.*?<p>Error code: (?P<code>\d+)</p>.*?<p>Message: (?P<message>.*?)\.</p>.*?</html>\n", re.S
    ),
    re.compile(
        r"<!doctype html>\n<html lang=\"en\">\n.*?<title>(?P<code>\d\d\d) (?P<message>.*?)</title>.*?</html>\n", re.S
    ),
)
_LISTING = re.compile(
    r"<!doctype html>(?:(?!</html>).)*?<title>(?:Directory listing for|File listing for) (?P<path>.*?)</title>"
    r".*?</html>\n",
    re.S | re.I,
)


def facts(text: str) -> str:
    """The text, with what such a page says in place of the page, and with no length for what is no longer there."""
    found = _LISTING.sub(_listing, text)
    for error in _ERRORS:
        found = error.sub(lambda match: f"THE ERROR {match['code']}: {html.unescape(match['message'])}\n", found)
    return found if found == text else re.sub(r"(?im)^(\s*content-length): \d+", r"\1: ANY", found)


def _listing(match: re.Match[str]) -> str:
    links = re.findall(r'href="([^"]*)"', match[0])
    return f"THE LISTING OF {match['path']}: {' '.join(links)}\n"
