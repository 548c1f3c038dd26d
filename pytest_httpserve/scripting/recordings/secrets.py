"""Things that must not be in a recording: credentials, found by name, and secrets from the environment."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from pytest_httpserve.arguments import check_plain
from pytest_httpserve.errors import UsageError
from pytest_httpserve.scripting.record.multipart import parse_multipart
from pytest_httpserve.scripting.record.redaction import ALWAYS_REDACTED, MASK, masked
from pytest_httpserve.wire.headers import Field

Function = Callable[[str, str], str]  # from a name and a value to the value to keep
RedactArgument = str | Function | Iterable[str | Function]
MadeT = TypeVar("MadeT")

# Secret names, in lower case and without separators: whole names, and endings of names.
_NAMES = frozenset(("auth", "pwd", "sid", "session", "bearer", "clientassertion", "assertion", "codeverifier"))
_ENDINGS = (
    "token", "secret", "password", "passwd", "passphrase", "apikey", "accesskey", "privatekey", "secretkey",
    "authorization", "signature", "credential", "credentials", "sessionid", "jwt", "subscriptionkey", "accesskeyid",
)  # fmt: skip
# In a query, a "key" is a secret; in JSON, it may be the key of a mapping.
_OF_QUERIES = frozenset(("key", "sig"))
_OF_VARIABLES = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|_KEY$|_PAT$|_AUTH$"
)
_LEAST_SECRET = 8  # characters: a shorter value may occur by chance
# Values of such variables that are no secrets, and occur in many texts.
_WORDS = frozenset(("password", "postgres", "changeme", "localhost", "anonymous", "disabled", "development"))
_WITH_URLS = frozenset(("location", "content-location", "referer"))


class Redaction:
    """What to replace in a recording: values with certain names (of header fields, query parameters, and fields of
    forms and JSON), and values for which a function returns another value.

    Raises UsageError for anything but names and functions.
    """

    def __init__(self, given: RedactArgument = ()) -> None:
        all_given = (given,) if isinstance(given, str) or callable(given) else given
        names: set[str] = set()
        functions: list[Function] = []
        for one in all_given if isinstance(all_given, Iterable) else (all_given,):
            if isinstance(one, str) and one.strip():
                names.add(_letters(one))
            elif callable(one):
                check_plain("redact=", one)
                functions.append(one)
            else:
                raise UsageError(f"redact= takes names, and functions of a name and a value, not {one!r}")
        self._names = frozenset(names)
        self._functions = tuple(functions)
        self._once: tuple[str, object] | None = None

    def once(self, text: str, make: Callable[[str, Redaction], MadeT]) -> MadeT:
        """The result of ``make`` for a text. It is kept until the next text, for all routes that ask in turn."""
        known = self._once
        if known is None or known[0] != text:
            self._once = known = text, make(text, self)
        return cast(MadeT, known[1])

    def is_secret(self, name: str) -> bool:
        """Whether values with this name are replaced."""
        letters = _letters(name)
        return letters in self._names or letters in _NAMES or letters.endswith(_ENDINGS)

    def named(self, name: str, value: str) -> str:
        """The value to keep for a field of a form or of JSON."""
        if value and self.is_secret(name):
            return MASK
        return self._asked(name, self.url(value) if value.startswith(("https://", "http://")) else value)

    def parameter(self, name: str, value: str) -> str:
        """The value to keep for a query parameter."""
        return MASK if value and _letters(name) in _OF_QUERIES else self.named(name, value)

    def _asked(self, name: str, value: str) -> str:
        for function in self._functions:
            value = str(function(name, value))
        return value

    def fields(self, fields: Iterable[Field]) -> tuple[Field, ...]:
        """Redact header fields. Cookies keep their names and attributes, credentials their scheme."""
        return tuple((name, self._field(name, value)) for name, value in fields)

    def _field(self, name: str, value: str) -> str:
        key = name.lower()
        if key == "cookie":
            return "; ".join(f"{one.partition('=')[0].strip()}={MASK}" for one in value.split(";"))
        if key == "set-cookie":
            pair, semicolon, attributes = value.partition(";")
            return f"{pair.partition('=')[0]}={MASK}{semicolon}{attributes}"
        if key in ALWAYS_REDACTED:
            return masked(key, value, ALWAYS_REDACTED)
        if key in _WITH_URLS:
            value = self.url(value)
        return self.named(name, value)

    def url(self, url: str) -> str:
        """Redact a URL: its query, and its fragment, in which some servers send tokens."""
        rest, mark, fragment = url.partition("#")
        path, question, query = rest.partition("?")
        if question:
            path += f"?{self.pairs(query, self.parameter)}"
        return f"{path}#{self.pairs(fragment, self.parameter)}" if mark else path

    def pairs(self, text: str, kept: Callable[[str, str], str]) -> str:
        """Redact a query or a form. Everything else stays as it was written."""
        return "&".join(self._pair(one, kept) for one in text.split("&"))

    def _pair(self, pair: str, kept: Callable[[str, str], str]) -> str:
        name, equals, value = pair.partition("=")
        if not equals:
            return pair
        known = urllib.parse.unquote_plus(value)
        put = kept(urllib.parse.unquote_plus(name), known)
        return pair if put == known else f"{name}={urllib.parse.quote_plus(put, safe='*')}"

    def reads(self, content_type: str) -> bool:
        """Whether bodies of this type are redacted."""
        kind = content_type.partition(";")[0].strip().lower()
        return kind in ("application/x-www-form-urlencoded", "multipart/form-data") or kind.endswith(("/json", "+json"))

    def body(self, body: bytes, content_type: str) -> bytes:
        """Redact a body, if it is a form or JSON. Any other body stays as it is."""
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "application/x-www-form-urlencoded":
            return self.pairs(body.decode("latin-1"), self.named).encode("latin-1")
        if kind == "multipart/form-data":
            return self._multipart(body, content_type)
        if not (kind.endswith(("/json", "+json")) or body[:1] in (b"{", b"[")):
            return body
        try:
            known = json.loads(body)
        except ValueError:
            return body
        if (put := self.json(known)) == known:
            return body
        apart = (", ", ": ") if b'": ' in body else (",", ":")
        return json.dumps(put, ensure_ascii=False, separators=apart).encode("utf-8", "surrogatepass")

    def json(self, value: Any, name: str = "") -> Any:  # any JSON value
        """Redact a JSON value. Values with secret names keep their types: a number becomes 0."""
        match value:
            case dict():
                is_secret = bool(name) and self.is_secret(name)
                return {key: self.json(one, name if is_secret else key) for key, one in value.items()}
            case list():
                return [self.json(one, name) for one in value]
            case str():
                return self.named(name, value) if name else value
            case int() | float() if not isinstance(value, bool) and name and self.is_secret(name):
                return 0
        return value

    def _multipart(self, body: bytes, content_type: str) -> bytes:
        try:
            parts = parse_multipart(content_type, body)
        except ValueError:
            return body
        for part in parts:
            known = part.content.decode("latin-1")
            if not part.filename and (put := self.named(part.name, known)) != known:
                body = body.replace(
                    b"\r\n\r\n%b\r\n" % part.content, b"\r\n\r\n%b\r\n" % put.encode("latin-1", "replace")
                )
        return body


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


class Secrets:
    """The values of environment variables with names of secrets, in every way in which they may be written."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._spelt: dict[bytes, str] = {}
        for name, value in environment.items():
            if _OF_VARIABLES.search(name.upper()) and _is_secret(value):
                for spelling in _spellings(value):
                    self._spelt.setdefault(spelling.encode("utf-8", "surrogateescape"), name)
        self.longest: int = max(map(len, self._spelt), default=0)

    def find(self, data: bytes) -> str | None:
        """The variable whose value ``data`` contains; None if there is none."""
        return next((name for spelling, name in self._spelt.items() if spelling in data), None)


def _is_secret(value: str) -> bool:
    return len(value) >= _LEAST_SECRET and value.lower() not in _WORDS


def _spellings(value: str) -> set[str]:
    from base64 import b64encode

    plain = value.encode("utf-8", "surrogateescape")
    return {
        value,
        urllib.parse.quote(plain, safe=""),
        urllib.parse.quote_plus(plain),
        json.dumps(value)[1:-1],
        b64encode(plain).decode("ascii"),
    }
