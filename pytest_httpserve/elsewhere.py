"""Names that users of other tools try first: using one raises an error that says what it is called here."""

from __future__ import annotations

from collections.abc import Mapping

_FAILS_BY_ITSELF = "nothing to call: a failure on the server fails the test by itself"
_ON = "on('GET', '/path'), then respond(...)"
_RECORDING = "serve_recording('recording.har')"

SERVER = {
    "add": _ON,
    "add_response": _ON,
    "expect_request": _ON,
    "expect_oneshot_request": "on('GET', '/path'), then respond(...), and expect() for once",
    "expect_ordered_request": "on('GET', '/path'), then respond(...); assert_requested_in_order() for the order",
    "route": _ON,
    "register": _ON,
    "register_uri": _ON,
    "respond": "on('*'), then respond(...); or enqueue(...)",
    "respond_with": "on('*'), then respond(...); or enqueue(...)",
    "stub": _ON,
    "stub_for": _ON,
    "when": _ON,
    **{name: f"on('{name.upper()}', '/path'), then respond(...)" for name in ("get", "put", "post", "patch", "delete")},
    "head": "on('HEAD', '/path'), then respond(...)",
    "options": "on('OPTIONS', '/path'), then respond(...)",
    "url": "url_for('/path'), or base_url",
    "address": "host and port, or base_url",
    "server_address": "host and port, or base_url",
    "server_port": "port",
    "requests": "exchanges, each with its request",
    "received_requests": "exchanges, each with its request",
    "request_history": "exchanges, each with its request",
    "history": "exchanges, each with its request",
    "calls": "exchanges, each with its request",
    "log": "exchanges, each with its request",
    "last_request": "exchanges[-1].request",
    "get_request": "take_request()",
    "wait": "wait_for('GET', '/path')",
    "call_count": "len(httpserve.exchanges), or len(httpserve.requested('GET', '/path'))",
    "called": "exchanges, which are empty if there were no requests",
    "clear": "reset()",
    "clear_all_handlers": "reset()",
    "reset_all": "reset()",
    "close": "stop()",
    "shutdown": "stop()",
    "assert_called": "assert_requested('GET', '/path')",
    "assert_called_once": "assert_requested('GET', '/path', times=1)",
    "assert_all_called": "expect() on each route, or httpserve_strict = true",
    "assert_request_made": "assert_requested('GET', '/path')",
    "assert_not_called": "assert_no_requests(), or assert_not_requested('GET', '/path')",
    "use_cassette": _RECORDING,
    "vcr": _RECORDING,
    "route_from_har": _RECORDING,
    "check": _FAILS_BY_ITSELF,
    "check_assertions": _FAILS_BY_ITSELF,
    "check_handler_errors": _FAILS_BY_ITSELF,
    "verify": _FAILS_BY_ITSELF,
}

ROUTE = {
    "assert_called_once": "assert_called(times=1)",
    "assert_called_once_with": "assert_called(times=1), and criteria of on() for what it is called with",
    "assert_called_with": "assert_called(), and criteria of on() for what it is called with",
    "assert_not_called": "assert_called(times=0)",
    "called": "call_count > 0, or assert_called()",
    "call_args": "calls[-1].request",
    "call_args_list": "calls, each with its request",
    "mock_calls": "calls, each with its request",
    "requests": "calls, each with its request",
    "last_request": "calls[-1].request",
    "mock": "respond(...)",
    "reply": "respond(...)",
    "return_value": "respond(...)",
    "respond_with": "respond(...)",
    "respond_with_data": "respond(text=...), or respond(body=...)",
    "respond_with_json": "respond(json=...)",
    "respond_with_response": "respond(Response(...))",
    "respond_with_handler": "handle(function), or the route as a decorator",
    "side_effect": "handle(function), or respond(...).respond(...) for one response after the other",
    "fault": "respond(fault=...), or httpserve.fault(...)",
    "once": "expect()",
    "times": "expect(times=...)",
    "reset": "remove(), or httpserve.reset()",
}

_OF_REQUEST = "method target path query query_string headers cookies body text json form files trailers path_params"

EXCHANGE = {
    **{name: f"request.{name}" for name in _OF_REQUEST.split()},
    "url": "request.target, or request.path without the query",
    "args": "request.query",
    "content": "request.body",
    "data": "request.body",
    "status_code": "status",
}

REQUEST = {
    "args": "query",
    "params": "query, or path_params for those of the route's path",
    "query_params": "query",
    "data": "body, as bytes; form for the fields of a form",
    "get_data": "body",
    "read": "body",
    "get_json": "json()",
    "content_type": 'headers["Content-Type"]',
    "match_info": "path_params",
    "url": "target, or path without the query",
    "uri": "target, or path without the query",
}

CRITERIA = {
    "auth": "a matcher, on(match('GET', '/path') & basic_auth('user', 'password'))",
    "content": "body=",
    "data": "body= for bytes or a text, form= for the fields of a form",
    "json_body": "json=",
    "params": "query=",
    "query_params": "query=",
    "query_string": "query=",
    "match": "where=",
    "matcher": "where=, or the matcher in the place of the method",
    "uri": "the second argument, on('GET', '/path')",
    "url": "the second argument, on('GET', '/path')",
}

_STATUS = "the first argument, respond(404)"

RESPONSE = {
    "content": "body= for bytes, text= for a text",
    "content_type": "headers={'Content-Type': ...}",
    "data": "body= for bytes, text= for a text, json= for data",
    "code": _STATUS,
    "status_code": _STATUS,
    "exception": "fault=, as in fault=Reset()",
    "body_file": "file=",
    "location": "redirect(location) of the route, or Response.redirect(location)",
    "redirect": "redirect(location) of the route, or Response.redirect(location)",
    "mimetype": "headers={'Content-Type': ...}",
    "repeat": "times=",
    "set_cookie": "cookies=",
    "side_effect": "handle(function) of the route",
    "sleep": "delay=",
    "timeout": "delay=, or fault=Stall()",
}

# Here a fault is an object; other tools use a word.
FAULT = {
    "reset": "Reset()",
    "close": "Close()",
    "disconnect": "Close()",
    "empty": "Close()",
    "garbage": "Garbage()",
    "timeout": "Stall()",
    "hang": "Stall()",
    "stall": "Stall()",
    "slow": "Slow()",
    "delay": "Delay(1.0)",
    "truncate": "Truncate()",
}


def called_here(name: str, names: Mapping[str, str]) -> str:
    """The end of an error message for an unknown ``name``; empty if it is not a name from another tool."""
    return f"; here it is {names[name]}" if name in names else ""


def no_attribute(owner: object, name: str, names: Mapping[str, str]) -> AttributeError:
    """The error for a missing attribute."""
    kind = type(owner).__name__
    return AttributeError(f"{kind!r} object has no attribute {name!r}{called_here(name, names)}")
