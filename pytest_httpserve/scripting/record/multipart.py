"""multipart/form-data (RFC 7578). Every byte of a part is kept, whatever its type."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_httpserve.wire.headers import Headers

# A parameter of a field: a quoted string or a token (RFC 9110 section 5.6.6). A name that ends with ``*`` is encoded.
_PARAMETER = re.compile(r';[ \t]*([A-Za-z0-9-]+)(\*?)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))')

# RFC 8187 section 3.2.1 requires the first; clients have used the others. A parameter that names another codec stays as
# it was sent: some of Python's codecs take ages for a long text, and some are not for text at all.
_CHARSETS = ("utf-8", "utf8", "us-ascii", "iso-8859-1", "")


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A part of a multipart form: ``name`` of the field, ``filename`` (empty for a plain field), type and content.

    ``headers`` are those of the part, as they were sent.
    """

    name: str
    filename: str
    content_type: str
    content: bytes
    headers: Headers = field(default=Headers(), compare=False, repr=False)


def parse_multipart(content_type: str, body: bytes) -> list[UploadedFile]:
    """The parts of a form, in order.

    Raises ValueError if ``content_type`` names no boundary, or one that ``body`` lacks, or if the last one is missing.
    """
    boundary = _parameters(content_type).get("boundary", "").encode("latin-1", "replace")
    if not boundary:
        raise ValueError(f"a multipart body whose Content-Type names no boundary: {content_type!r}")
    # RFC 2046 section 5.1.1: the line break before a boundary is the boundary's; blanks may follow it.
    delimiter = re.compile(rb"\r\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    parts: list[UploadedFile] = []
    begin = None
    for found in delimiter.finditer(body := b"\r\n" + body):
        if begin is not None:
            parts.append(_parse_part(body[begin : found.start()]))
        if found[1]:
            return parts
        begin = found.end()
    if begin is None:
        raise ValueError(f"a multipart body without the boundary that its Content-Type names: {content_type!r}")
    raise ValueError(f"a multipart body without its last boundary, --{boundary.decode('latin-1')}--")


def _parse_part(part: bytes) -> UploadedFile:
    """Parse a part, which begins with the line break after its boundary."""
    head, _, content = part.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode(errors="replace").split("\r\n"))
    headers = Headers((name.strip(), value.strip()) for name, colon, value in lines if colon)
    given = _form_data(headers.get("content-disposition", ""))
    content_type = headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    return UploadedFile(given.get("name", ""), given.get("filename", ""), content_type, content, headers)


def _parameters(value: str) -> dict[str, str]:
    """The parameters after a value, decoded."""
    return {name: text for name, _, text in _read_parameters(value)}


def _read_parameters(value: str) -> Iterator[tuple[str, bool, str]]:
    """The parameters after a value: name, whether it was encoded, and decoded text."""
    for name, mark, quoted, token in _PARAMETER.findall(value):
        # Only necessary escapes count: other backslashes belong to Windows paths.
        text = re.sub(r'\\(["\\])', r"\1", quoted) or token
        is_encoded = False
        if mark:  # RFC 8187: charset'language'percent-encoded
            charset, _, rest = text.partition("'")
            _, quote, rest = rest.partition("'")
            if quote and charset.lower() in _CHARSETS:
                text, is_encoded = urllib.parse.unquote(rest, charset or "utf-8", "replace"), True
        yield name.lower(), is_encoded, text


# Browsers, requests, httpx and Node percent-encode these three characters and no others, as the HTML standard says.
# Other clients escape them with a backslash, as RFC 7578 section 4.2 says.
_WRITTEN_BY_PERCENT = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_BY_PERCENT = re.compile("%22|%0D|%0A")


def _form_data(value: str) -> dict[str, str]:
    """The parameters of a part's Content-Disposition. An encoded one takes precedence over a plain one."""
    plain: dict[str, str] = {}
    encoded: dict[str, str] = {}
    for name, mark, text in _read_parameters(value):
        if mark:
            encoded[name] = text
        else:
            plain[name] = _BY_PERCENT.sub(lambda found: _WRITTEN_BY_PERCENT[found[0]], text)
    return plain | encoded
