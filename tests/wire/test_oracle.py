"""h11 as an oracle: what it serves, we serve alike, but for the differences that are listed here.

``STRICTER`` lists where we refuse what h11 serves, ``LOOSER`` where h11 refuses what we serve, each with the rule that
decides. A message that both serve must come to the same method, target, version, fields, body, trailers, and rest.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import h11
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from pytest_httpserve.errors import RequestError
from pytest_httpserve.wire import (
    Framing,
    Headers,
    body_decoder,
    check_host,
    encode_chunk,
    encode_last_chunk,
    expects_continue,
    keeps_alive,
    parse_fields,
    parse_request_line,
    parse_target,
    request_framing,
    response_framing,
    response_head,
)
from tests.versions import compare_with_known, distribution, reports_versions

pytestmark = [reports_versions, pytest.mark.same_everywhere]

# The h11 that is here, and whether it is the one whose answers are known.
H11 = f"h11 {distribution('h11')}", distribution("h11") == "0.16"

Fields = tuple[tuple[str, str], ...]


class Served(NamedTuple):
    """A request that was understood to its end."""

    method: str
    target: str
    version: tuple[int, int]
    fields: Fields
    body: bytes
    trailers: Fields
    rest: bytes


class NotServed(NamedTuple):
    """A request that was refused, or whose end has not come."""

    why: str
    status: int | None = None


def ours(message: bytes) -> Served | NotServed:
    line, crlf, behind = message.partition(b"\r\n")
    # Without fields, the blank line follows the request line at once.
    block, blank, data = (b"", b"\r\n", behind[2:]) if behind.startswith(b"\r\n") else behind.partition(b"\r\n\r\n")
    if not blank:
        return NotServed("the head has no end")
    try:
        method, target, version = parse_request_line(line + crlf)
        headers = parse_fields(block + b"\r\n" if block else b"")
        check_host(headers, version)
        parse_target(target, method)
        decoder = body_decoder(request_framing(headers, version))
        body, rest = decoder.decode(data)
    except RequestError as error:
        return NotServed(str(error), error.status)
    if not decoder.complete:
        return NotServed("the body has no end")
    return Served(
        method, target, version, but_framing(headers.fields), body, but_framing(decoder.trailers.fields), rest
    )


def theirs(message: bytes) -> Served | NotServed:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(message)
    body = b""
    try:
        request = connection.next_event()
        if not isinstance(request, h11.Request):
            return NotServed("the head has no end")
        while isinstance(got := connection.next_event(), h11.Data):
            body += got.data
    except h11.RemoteProtocolError as error:
        return NotServed(str(error), error.error_status_hint)
    if not isinstance(got, h11.EndOfMessage):
        return NotServed("the body has no end")
    major, minor = request.http_version.decode().split(".")
    return Served(
        request.method.decode(),
        request.target.decode(),
        (int(major), int(minor)),
        but_framing(decoded(request.headers)),
        body,
        but_framing(decoded(got.headers)),
        connection.trailing_data[0],
    )


def decoded(headers: h11._headers.Headers) -> Fields:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers.raw_items())


def but_framing(fields: Fields) -> Fields:
    # h11 rewrites these two to what it made of them; the body shows whether we made the same.
    return tuple(field for field in fields if field[0].lower() not in ("content-length", "transfer-encoding"))


class Difference(NamedTuple):
    """What may be judged differently: a pattern over the message, the rule, and a message that shows it."""

    where: str
    rule: str
    shown_by: bytes
    status: int = 400


HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

STRICTER = [
    Difference(
        r"(?<!\r)\n",
        "RFC 9112 section 2.2: a recipient may take a bare LF for CRLF, and need not",
        b"GET / HTTP/1.1\r\nA: b\nHost: h\r\n\r\n",
    ),
    Difference(
        r"\n[ \t]",
        "RFC 9112 section 5.2: a server refuses obs-fold, or replaces it with blanks",
        HEAD + b"A: b\r\n c\r\n\r\n",
    ),
    Difference(
        r"[\0-\x08\x0e-\x1f\x7f]",
        "RFC 9110 section 5.5: control characters other than CR, LF and NUL may be kept, and need not",
        HEAD + b"Cookie: a=\x01\r\n\r\n",
    ),
    Difference(
        r"\A[^ ]* [^ ]*#",
        "RFC 9112 section 3.2: no form of request-target has a fragment",
        b"GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    Difference(
        r"\A[^ ]* [^ ]*%(?![0-9A-Fa-f]{2})",
        "RFC 3986 section 2.1: a percent sign begins an octet in two hexadecimal digits",
        b"GET /50% HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    Difference(
        r"\A(?:CONNECT|[^ ]* (?!/))",
        "RFC 9112 section 3.2: four forms of target, three of them for some methods or as whole URLs alone",
        b"GET a HTTP/1.1\r\nHost: h\r\n\r\n",
    ),
    Difference(
        r"\A[^\r\n]* HTTP/(?!1)",
        "RFC 9110 section 15.6.6: the major version is not supported",
        b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        status=505,
    ),
    Difference(
        r"\A[^\r\n]* HTTP/1\.[2-9]",
        "RFC 9110 section 2.5: a higher minor version is handled as HTTP/1.1, which asks for Host",
        b"GET / HTTP/1.2\r\n\r\n",
    ),
    Difference(
        r"\n(?i:host):[ \t]*+(?![A-Za-z0-9_.-]*(?::[0-9]*)?[ \t]*\r\n)",
        "RFC 9112 section 3.2: a Host with an invalid value must be refused",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    ),
    Difference(
        r"(?is)\n(?:content-length:.*\ntransfer-encoding|transfer-encoding:.*\ncontent-length):",
        "RFC 9112 section 6.1: a server may refuse Content-Length beside Transfer-Encoding",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    Difference(
        r"(?s)\A[^\r\n]* HTTP/1\.0\r.*\n(?i:transfer-encoding):",
        "RFC 9112 section 6.1: Transfer-Encoding in HTTP/1.0 is faulty framing",
        b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    Difference(
        r"\n[0-9A-Fa-f]+(?:;[^\n]*|[ \t]+)\r\n",
        "RFC 9112 section 7.1.1: chunk extensions have a grammar, and no blanks behind them",
        CHUNKED + b"1;=;\r\nx\r\n0  \r\n\r\n",
    ),
]

LOOSER = [
    Difference(
        r"\n[0-9A-Fa-f]+[ \t]+;",
        "RFC 9112 section 7.1.1: blanks before a chunk extension are bad, and must be read",
        CHUNKED + b"1 ;a\r\nx\r\n0\r\n\r\n",
    ),
    Difference(
        r"\n0[0-9A-Fa-f]{20,}",
        "RFC 9112 section 7.1: a chunk's size may have any number of zeros before it",
        CHUNKED + b"0" * 20 + b"1\r\nx\r\n0\r\n\r\n",
    ),
    Difference(
        r"\n(?i:content-length):[^\n]*\b0[0-9]{20,}",
        "RFC 9110 section 8.6: a length may have any number of zeros before it",
        HEAD + b"Content-Length: " + b"0" * 20 + b"1\r\n\r\nx",
    ),
    Difference(
        r"(?is)\ntransfer-encoding:.*\n(?:content-length|transfer-encoding):",
        "RFC 9110 section 6.5.1: framing fields among the trailers are kept apart, and frame nothing",
        CHUNKED + b"0\r\nContent-Length: x\r\n\r\n",
    ),
]


def known(differences: list[Difference], message: bytes) -> list[str]:
    """The rules of the differences that may show in this message."""
    text = message.decode("latin-1")
    return [difference.rule for difference in differences if re.search(difference.where, text)]


def assert_agreement(message: bytes) -> None:
    here, there = ours(message), theirs(message)
    event(f"we: {type(here).__name__}, h11: {type(there).__name__}")
    compare_with_known(*H11, list(disagreement(message, here, there)))


def disagreement(message: bytes, here: Served | NotServed, there: Served | NotServed) -> Iterator[str]:
    """What is wrong with a message that we and h11 made this of."""
    if isinstance(there, Served) and isinstance(here, NotServed):
        if not known(STRICTER, message):
            yield f"we refuse ({here.why}) what h11 serves: {message!r} as {there}"
    elif isinstance(here, Served) and isinstance(there, NotServed):
        if not known(LOOSER, message):
            yield f"we serve what h11 refuses ({there.why}): {message!r} as {here}"
    elif isinstance(here, Served) and here != there:
        yield f"we serve another request than h11: {message!r}"


@pytest.mark.parametrize("difference", STRICTER, ids=lambda difference: difference.rule.partition(":")[0])
def test_each_stricter_rule_is_in_force(difference: Difference) -> None:
    here, there = ours(difference.shown_by), theirs(difference.shown_by)
    gone = isinstance(there, NotServed)
    compare_with_known(*H11, [f"no difference any more, h11 refuses it, too: {there}"] if gone else [])
    assert isinstance(here, NotServed), f"we serve it, against {difference.rule}"
    assert here.status == difference.status, here
    assert known(STRICTER, difference.shown_by) == [difference.rule], "each difference is shown alone"


@pytest.mark.parametrize("difference", LOOSER, ids=lambda difference: difference.rule.partition(":")[0])
def test_each_looser_rule_is_in_force(difference: Difference) -> None:
    here, there = ours(difference.shown_by), theirs(difference.shown_by)
    gone = isinstance(there, Served)
    compare_with_known(*H11, [f"no difference any more, h11 serves it, too: {there}"] if gone else [])
    assert isinstance(here, Served), f"we refuse it, against {difference.rule}: {here}"
    assert known(LOOSER, difference.shown_by) == [difference.rule], "each difference is shown alone"


# Messages

TCHARS = "!#$%&'*+-.^_`|~019azAZ"
TOKENS = st.text(TCHARS, min_size=1, max_size=8)
VALUES = st.text('!"#,;:=/()<>[]{}azAZ09 \t\x80\xa0\xff', max_size=16).map(lambda text: text.strip(" \t"))
BLANKS = st.sampled_from(["", " ", "\t", "  "])
FRAMING_NAMES = ("host", "content-length", "transfer-encoding")
PATHS = st.text("/?%azAZ09.-_~!$&'()*+,;=:@", max_size=12).map(lambda text: "/" + text.replace("%", "%a0"))
HOSTS = st.sampled_from(["", "h", "example.com", "127.0.0.1:8080", "[::1]:80"])


class Message(NamedTuple):
    """A valid request, and what it says."""

    raw: bytes
    said: Served


@st.composite
def messages(draw: st.DrawFn) -> Message:
    version = draw(st.sampled_from([(1, 1), (1, 1), (1, 0)]))
    host = draw(HOSTS)
    method, target = draw(
        st.one_of(
            st.tuples(TOKENS.filter("CONNECT".__ne__), PATHS),
            st.tuples(st.just("GET"), PATHS.map("http://h:80".__add__)),
            st.just(("OPTIONS", "*")),
            st.just(("CONNECT", "h:443")),
        )
    )
    names = TOKENS.filter(lambda name: name.lower() not in FRAMING_NAMES)
    fields = draw(st.lists(st.tuples(names, VALUES), max_size=4))
    if version == (1, 1) or draw(st.booleans()):
        fields.insert(draw(st.integers(0, len(fields))), (draw(st.sampled_from(["Host", "host"])), host))
    content = draw(st.binary(max_size=24))
    kinds = ["none", "length", "chunked"] if version == (1, 1) else ["none", "length"]
    framing, body, trailers = [], b"", []
    match draw(st.sampled_from(kinds)):
        case "none":
            content = b""
        case "length":
            framing = [("Content-Length", str(len(content)))] * draw(st.integers(1, 2))
            body = content
        case "chunked":
            framing = [("transfer-Encoding", draw(st.sampled_from(["chunked", "Chunked"])))]
            cut = draw(st.integers(0, len(content)))
            trailers = draw(st.lists(st.tuples(names, VALUES), max_size=2))
            extension = draw(st.sampled_from([b"", b";a", b';a=b;c="d\\"e"']))
            body = encode_chunk(content[:cut]).replace(b"\r\n", extension + b"\r\n", 1)
            body += encode_chunk(content[cut:]) + encode_last_chunk(trailers)
    place = draw(st.integers(0, len(fields)))
    lines = [f"{method} {target} HTTP/{version[0]}.{version[1]}"]
    for name, value in [*fields[:place], *framing, *fields[place:]]:
        lines.append(f"{name}:{draw(BLANKS)}{value}{draw(BLANKS)}")
    rest = draw(st.sampled_from([b"", b"x", b"GET / HTTP/1.1\r\n\r\n", b"\r\n"]))
    raw = "\r\n".join([*lines, "", ""]).encode("latin-1") + body + rest
    return Message(raw, Served(method, target, version, tuple(fields), content, tuple(trailers), rest))


PARTS = [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b";", b"=", b'"', b"#", b"/", b"0", b"1", b"5", b"a", b"\0"]
PARTS += [b"\x0b", b"\x7f", b"\x80", b"\xff", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"\r\n\r\n", b"chunked"]
PARTS += [b"Host: h\r\n", b"Content-Length: 1\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n"]


# Bases to mutate: a thousand of these are made in the time of a hundred messages.
VALID = [
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /a?b HTTP/1.0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: \r\nA: b\r\na:\tc \r\n\r\nGET",
    b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
    b"GET http://h/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET",
    b"PUT / HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: h\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n00\r\nA: b\r\n\r\n",
]


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A valid request in which up to four places were changed."""
    raw = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = min(len(raw), start + draw(st.sampled_from([0, 0, 1, 1, 2, 8])))
        put = draw(st.sampled_from([b"", raw[start:end] * 2, *PARTS]))
        raw = raw[:start] + put + raw[end:]
    return raw


@pytest.mark.parametrize("message", VALID)
def test_the_bases_of_mutation_are_valid(message: bytes) -> None:
    assert isinstance(ours(message), Served)
    assert ours(message) == theirs(message)


@given(messages())
@settings(deadline=None, max_examples=200)
def test_a_valid_request_is_read_as_it_was_written_and_as_h11_reads_it(message: Message) -> None:
    assert ours(message.raw) == message.said
    assert theirs(message.raw) == message.said


@given(mutants())
@example(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx")
@example(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx")
@example(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx")
@example(b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: h\r\n\rA: b\r\n\r\n")
@settings(deadline=None, max_examples=1_500)
def test_a_mutated_request_is_never_read_otherwise_than_h11_reads_it(message: bytes) -> None:
    assert_agreement(message)


@given(st.lists(st.sampled_from([*PARTS, b"GET", b" / ", b"Host:", b"0\r\n\r\n"]), max_size=12).map(b"".join))
@settings(deadline=None, max_examples=300)
@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\n", HEAD, CHUNKED, CHUNKED + b"0\r\n"], ids=repr)
def test_garbage_is_never_read_otherwise_than_h11_reads_it(start: bytes, garbage: bytes) -> None:
    assert_agreement(start + garbage)


@given(mutants())
@settings(deadline=None, max_examples=300)
def test_a_refusal_has_one_of_the_statuses_of_the_contract_and_says_why(message: bytes) -> None:
    outcome = ours(message)
    if isinstance(outcome, NotServed):
        assert outcome.why
        assert outcome.status in (None, 400, 413, 414, 431, 501, 505), outcome


@given(messages(), st.data())
@settings(deadline=None, max_examples=150)
def test_a_body_is_the_same_wherever_it_is_split(message: Message, data: st.DataObject) -> None:
    head, _, body = message.raw.partition(b"\r\n\r\n")
    headers = parse_fields(head.partition(b"\r\n")[2] + b"\r\n" if b"\r\n" in head else b"")
    framing = request_framing(headers, message.said.version)
    for place in range(len(body) + 1):
        decoder = body_decoder(framing)
        first, rest = decoder.decode(body[:place])
        second, rest = decoder.decode(rest + body[place:])
        assert decoder.complete, f"split at {place}, the body has no end: {message.raw!r}"
        assert (first + second, rest) == (message.said.body, message.said.rest), f"split at {place}: {message.raw!r}"


# Persistence and Expect

CONNECTIONS = st.lists(
    st.lists(st.sampled_from(["close", "Close", "keep-alive", "upgrade", "", "closed"]), max_size=3).map(", ".join),
    max_size=2,
)


@given(CONNECTIONS)
@settings(deadline=None)
def test_a_connection_of_http_1_1_lasts_when_h11_says_so(values: list[str]) -> None:
    fields = [("Host", "h"), *(("Connection", value) for value in values)]
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(response_head(0, "", fields).replace(b"HTTP/1.1 0 ", b"GET / HTTP/1.1"))
    connection.next_event()
    assert isinstance(connection.next_event(), h11.EndOfMessage)
    assert keeps_alive(Headers(fields), (1, 1)) is (connection.their_state is h11.DONE)


@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
@pytest.mark.parametrize("values", [[], ["100-continue"], ["100-Continue"], ["", "100-continue"], [",100-continue"]])
def test_a_client_waits_for_100_continue_when_h11_says_so(version: tuple[int, int], values: list[str]) -> None:
    fields = [("Host", "h"), ("Content-Length", "1"), *(("Expect", value) for value in values)]
    connection = h11.Connection(h11.SERVER)
    lines = [f"GET / HTTP/{version[0]}.{version[1]}", *(f"{name}: {value}" for name, value in fields), "", ""]
    connection.receive_data("\r\n".join(lines).encode())
    connection.next_event()
    waits = connection.they_are_waiting_for_100_continue
    assert expects_continue(Headers(fields), version) is waits


# Responses

REASONS = st.text("az OK'\t\xe9", max_size=10).map(lambda text: text.strip(" \t"))


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "CONNECT"]),
    status=st.sampled_from([200, 204, 206, 304, 404, 500, 599]),
    reason=REASONS,
    fields=st.lists(st.tuples(TOKENS.filter(lambda name: name.lower() not in FRAMING_NAMES), VALUES), max_size=4),
    content=st.binary(max_size=20),
    kind=st.sampled_from(["length", "chunked", "both", "close"]),
)
@settings(deadline=None, max_examples=400)
def test_h11_reads_our_responses_as_we_frame_them(
    method: str, status: int, reason: str, fields: list[tuple[str, str]], content: bytes, kind: str
) -> None:
    framing = {
        "length": [("Content-Length", str(len(content)))],
        "chunked": [("Transfer-Encoding", "chunked")],
        "both": [("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
        "close": [],
    }[kind]
    ours = response_framing(method, status, Headers(framing))
    body = encode_chunk(content) + encode_last_chunk() if kind in ("chunked", "both") else content
    sent = response_head(status, reason, [*fields, *framing]) + (body if ours.kind != "none" else b"")

    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="h:1" if method == "CONNECT" else "/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(sent)
    client.receive_data(b"")
    response = client.next_event()
    assert isinstance(response, h11.Response), response
    assert response.status_code == status
    assert response.reason.decode("latin-1") == reason
    assert but_framing(decoded(response.headers)) == tuple(fields)
    if method == "CONNECT" and status < 300:
        assert ours == Framing("none"), "what follows belongs to the tunnel"
        return
    read = b""
    while isinstance(got := client.next_event(), h11.Data):
        read += got.data
    assert isinstance(got, h11.EndOfMessage), got
    assert read == (content if ours.kind != "none" else b"")
