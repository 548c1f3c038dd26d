"""Headers: an ordered, case-insensitive multi-map that keeps the lines it was made of."""

import copy
import pickle

import pytest

from pytest_httpserve.wire import Headers, parse_fields


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_a_name_is_found_in_any_case(name: str) -> None:
    headers = Headers([("Content-Type", "text/plain")])
    assert headers[name] == "text/plain"
    assert headers.get(name) == "text/plain"
    assert headers.get_all(name) == ["text/plain"]
    assert name in headers


def test_fields_keep_the_order_and_the_spelling_of_the_sender() -> None:
    lines = [("b", "1"), ("A", "2"), ("B", "3"), ("x-Y", "")]
    assert Headers(lines).fields == tuple(lines)


def test_iterating_gives_each_name_once_in_its_first_spelling() -> None:
    headers = Headers([("Via", "a"), ("Host", "h"), ("VIA", "b")])
    assert list(headers) == ["Via", "Host"]
    assert len(headers) == 2
    assert dict(headers) == {"Via": "a, b", "Host": "h"}


def test_lines_of_one_name_are_combined_with_commas_in_their_order() -> None:
    # RFC 9110 section 5.2
    headers = Headers([("Accept", "text/html"), ("Host", "h"), ("accept", "*/*")])
    assert headers["Accept"] == "text/html, */*"


def test_lines_of_cookie_are_combined_with_semicolons() -> None:
    # RFC 6265 section 5.4: a comma may be a part of a cookie's value
    assert Headers([("Cookie", "a=1"), ("cookie", "b=2")])["Cookie"] == "a=1; b=2"


def test_get_all_keeps_lines_apart() -> None:
    headers = Headers([("Set-Cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"), ("set-cookie", "b=2")])
    assert headers.get_all("SET-COOKIE") == ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"]


def test_a_missing_name_is_a_key_error_or_the_default() -> None:
    headers = Headers([("A", "1")])
    with pytest.raises(KeyError, match="host"):
        headers["host"]
    assert headers.get("host") is None
    assert headers.get("host", "here") == "here"
    assert headers.get_all("host") == []
    assert "host" not in headers


@pytest.mark.parametrize("key", [b"a", 1, None])
def test_what_is_no_string_is_not_in_headers(key: object) -> None:
    assert key not in Headers([("A", "1")])


def test_a_mapping_makes_one_line_of_each_item() -> None:
    assert Headers({"A": "1", "b": "2"}).fields == (("A", "1"), ("b", "2"))


def test_a_copy_keeps_the_lines_apart() -> None:
    original = Headers([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    assert Headers(original).fields == original.fields


def test_headers_survive_copy_and_pickle() -> None:
    original = Headers([("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    assert copy.deepcopy(original).fields == original.fields
    assert pickle.loads(pickle.dumps(original)).fields == original.fields


def test_equality_is_that_of_names_in_any_case_and_combined_values() -> None:
    assert Headers([("A", "1"), ("B", "2")]) == Headers([("b", "2"), ("a", "1")])
    assert Headers([("A", "1")]) == {"a": "1"}
    assert Headers([("A", "1")]) != Headers([("A", "2")])
    assert Headers([("A", "1")]) != [("A", "1")]


def test_equal_headers_have_equal_hashes() -> None:
    assert hash(Headers([("A", "1"), ("B", "2")])) == hash(Headers([("b", "2"), ("a", "1")]))


def test_repr_shows_every_line() -> None:
    lines = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    assert repr(Headers(lines)) == f"Headers({lines!r})"


def test_no_headers_are_false() -> None:
    assert not Headers()
    assert Headers([("A", "")])


def test_octets_outside_ascii_are_their_latin_1_characters() -> None:
    # RFC 9110 section 5.5: obs-text is opaque data; as ISO-8859-1 nothing of it is lost.
    every_octet = bytes(range(0x80, 0x100))
    value = parse_fields(b"X: " + every_octet + b"\r\n")["x"]
    assert value.encode("latin-1") == every_octet
