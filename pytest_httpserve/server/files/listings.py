"""The page that lists a directory."""

from __future__ import annotations

import html
import stat
import time
import urllib.parse

from pytest_httpserve.server.files.paths import decoded_path
from pytest_httpserve.server.files.roots import Entry
from pytest_httpserve.wire.target import target_of


def directory_page(target: str, entries: list[Entry], encoding: str) -> bytes:
    """An HTML page with the name, size and date of each entry, for the directory at ``target``.

    Names that cannot be encoded in ``encoding`` keep their bytes. The tags are those of ``http.server``, each on its
    own line, for programs that change its listings.
    """
    shown = decoded_path(target)
    try:
        shown.encode(encoding, "surrogateescape")
    except UnicodeError:
        shown = urllib.parse.unquote(target_of(target).path)
    title = f"Directory listing for {html.escape(shown, quote=False)}"
    items = "".join(map(_item, entries))
    page = f"""\
<!DOCTYPE HTML>
<html lang="en">
<head>
<meta charset="{encoding}">
<style>:root {{ color-scheme: light dark }} small {{ opacity: 0.6 }}</style>
<title>{title}</title>
</head>
<body>
<h1>{title}</h1>
<hr>
<ul>
{items}</ul>
<hr>
</body>
</html>
"""
    return page.encode(encoding, "surrogateescape")


def _item(entry: Entry) -> str:
    name = link = entry.name
    about = ""
    if entry.status is not None:
        modified = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(entry.status.st_mtime))
        if stat.S_ISDIR(entry.status.st_mode):
            name = link = name + "/"
            about = f" <small>{modified} UTC</small>"
        else:
            about = f" <small>{entry.status.st_size} bytes, {modified} UTC</small>"
    if entry.is_link:
        name = entry.name + "@"
    address = urllib.parse.quote(link, errors="surrogatepass")
    if ":" in address.partition("/")[0]:
        address = "./" + address  # otherwise "a:b" would be a URL with the scheme a (RFC 3986 section 4.2)
    return f'<li><a href="{address}">{html.escape(name, quote=False)}</a>{about}</li>\n'
