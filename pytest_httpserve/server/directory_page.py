"""The page that lists a directory."""

from __future__ import annotations

import html
import os
import stat
import time
import urllib.parse


def listed(directory: str | os.PathLike[str], *, hidden: bool) -> list[os.DirEntry[str]]:
    """The entries of a directory in the order they are shown. Raises OSError."""
    with os.scandir(directory) as entries:
        shown = [entry for entry in entries if hidden or not entry.name.startswith(".")]
    return sorted(shown, key=lambda entry: (entry.name.lower(), entry.name))


def directory_page(target: str, entries: list[os.DirEntry[str]], encoding: str) -> bytes:
    """An HTML page with the name, size and date of each entry, for the directory at ``target``.

    Names that are no text in ``encoding`` keep their bytes.
    """
    try:
        shown = urllib.parse.unquote(target, errors="surrogatepass")
        shown.encode(encoding, "surrogateescape")
    except UnicodeError:
        shown = urllib.parse.unquote(target)
    title = f"File listing for {html.escape(shown, quote=False)}"
    rows = "".join(map(_row, entries))
    page = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="{encoding}">\n<title>{title}</title>\n'
        f"<h1>{title}</h1>\n<table>\n<tr><th>Name<th>Bytes<th>Modified (UTC)\n{rows}</table>\n</html>\n"
    )
    return page.encode(encoding, "surrogateescape")


def _row(entry: os.DirEntry[str]) -> str:
    name = link = entry.name
    size = modified = ""
    try:
        status = entry.stat()
    except OSError:
        pass  # a dangling link, or gone meanwhile: it has a name, no more
    else:
        modified = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(status.st_mtime))
        if stat.S_ISDIR(status.st_mode):
            name = link = name + "/"
        else:
            size = str(status.st_size)
    if entry.is_symlink():
        name = entry.name + "@"
    address = urllib.parse.quote(link, errors="surrogatepass")
    if ":" in address.partition("/")[0]:
        address = "./" + address  # else "a:b" would be a URL with the scheme a (RFC 3986 section 4.2)
    return f'<tr><td><a href="{address}">{html.escape(name, quote=False)}</a><td>{size}<td>{modified}\n'
