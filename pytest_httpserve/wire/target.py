"""A request's target, taken apart (RFC 9112 section 3.2)."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire import grammar
from pytest_httpserve.wire.memory import remembered

# RFC 3986 section 3.3: characters that a path may contain unencoded
_PCHAR = "!$&'()*+,;=:@-._~"
_PLAIN_PATH = re.compile(rf"[A-Za-z0-9/{re.escape(_PCHAR)}]*")


@dataclass(frozen=True, init=False)
class Target:
    """A request's target, taken apart but not decoded.

    ``path`` and ``query`` are percent-encoded as sent; ``query`` is None where there is no question mark.
    ``authority`` is set for the absolute and the authority form, ``scheme`` for the absolute one.
    """

    form: Literal["origin", "absolute", "authority", "asterisk"]
    path: str
    query: str | None = None
    authority: str | None = None
    scheme: str | None = None

    def __init__(
        self,
        form: Literal["origin", "absolute", "authority", "asterisk"],
        path: str,
        query: str | None = None,
        authority: str | None = None,
        scheme: str | None = None,
    ) -> None:
        # All at once: setting the frozen attributes one by one would double the cost of a target.
        self.__dict__.update(form=form, path=path, query=query, authority=authority, scheme=scheme)

    @cached_property
    def canonical(self) -> str:
        """The path in its canonical spelling; for CONNECT, the authority."""
        return canonical_path(self.path or self.authority or "")

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The segments of ``canonical``."""
        return tuple(self.canonical.split("/"))

    @property
    def decoded_path(self) -> str:
        """The path, percent-decoded as UTF-8."""
        return urllib.parse.unquote(self.path or self.authority or "")

    @property
    def query_with_mark(self) -> str:
        """The query with its question mark; empty if there is none."""
        return "" if self.query is None else f"?{self.query}"


@remembered(1024)
def target_of(text: str) -> Target:
    """Take a target apart even if it is malformed: http.server accepts targets that RFC 9112 refuses."""
    text = text.partition("#")[0]
    absolute = grammar.ABSOLUTE_FORM.fullmatch(text) if not text.startswith("/") else None
    if absolute is not None:
        scheme, authority, path, query = absolute.groups()
        return Target("absolute", path or "/", query, authority, scheme.lower())
    path, mark, query = text.partition("?")
    return Target("asterisk" if path == "*" else "origin", path, query if mark else None)


def parse_target(text: str, method: str) -> Target:
    """Take a request's target apart, in any of its four forms.

    Raises RequestError (400) for a target in none of these forms, or in one that does not suit its method.
    """
    if method == "CONNECT":
        match = grammar.AUTHORITY_FORM.fullmatch(text)
        # RFC 9110 section 9.3.6: an invalid port must be refused
        if match is None or not grammar.is_host(text) or int(match[1]) > 65_535:
            raise RequestError(
                400, f"CONNECT takes host:port as its target, not {text!r}", rule="RFC 9112 section 3.2.3"
            )
        return Target("authority", "", authority=text)
    if "#" in text:
        raise RequestError(400, f"a target cannot have a fragment: {text!r}", rule="RFC 9112 section 3.2")
    target = target_of(text)
    if target.form == "asterisk" and method != "OPTIONS":
        raise RequestError(400, f"the target * is for OPTIONS only, not for {method}", rule="RFC 9112 section 3.2.4")
    if target.form == "origin" and not text.startswith("/"):
        detail = f"the target must be a path that begins with / or a whole URL, not {text!r}"
        raise RequestError(400, detail, rule="RFC 9112 section 3.2")
    # RFC 9110 section 4.2.1: a URL without a host is invalid
    if target.authority is not None and (target.authority[:1] in ("", ":") or not grammar.is_host(target.authority)):
        raise RequestError(400, f"the target's authority is not a host[:port]: {text!r}", rule="RFC 9110 section 4.2.1")
    if grammar.BARE_PERCENT.search(text):
        detail = f"a percent sign in the target is not followed by two hexadecimal digits: {text!r}"
        raise RequestError(400, detail, rule="RFC 3986 section 2.1")
    return target


def canonical_path(path: str) -> str:
    """One spelling for all paths that mean the same: ``/a b``, ``/a%20b`` and ``/%61%20b`` are one path, ``/a%2Fb`` and
    ``/a/b`` are two (RFC 3986 section 6.2.2)."""
    if _PLAIN_PATH.fullmatch(path):
        return path
    return "/".join(
        urllib.parse.quote(urllib.parse.unquote_to_bytes(segment), safe=_PCHAR) for segment in path.split("/")
    )


def encoded_url(text: str, *, safe: str = "") -> str:
    """Percent-encode what a URL cannot contain, in a URL or a part of one. ``safe`` lists characters to leave alone.

    What is already encoded stays as it is.
    """
    whole = grammar.BARE_PERCENT.sub("%25", text)
    return urllib.parse.quote(whole, safe=f"/%?&=!$'()*+,;:@-._~[]|{safe}")
