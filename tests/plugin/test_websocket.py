"""WebSocket in a test: what fails it, and what its report shows."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


def test_what_nobody_expected_fails_the_test_and_is_shown(suite: Suite) -> None:
    result = suite(
        """
        from websockets.sync.client import connect

        def client(httpserve, path):
            return connect(httpserve.url_for(path, scheme="ws"), proxy=None)

        def test_good(httpserve):
            chat = httpserve.websocket("/chat")
            with client(httpserve, "/chat") as one:
                peer = chat.accept()
                one.send("hi")
                assert peer.receive() == "hi"

        def test_nobody_accepts(httpserve):
            httpserve.websocket("/chat")
            client(httpserve, "/chat").close()

        def test_nobody_receives(httpserve):
            chat = httpserve.websocket("/chat")
            with client(httpserve, "/chat") as one:
                chat.accept()
                one.send("lost")

        def test_function_fails(httpserve):
            @httpserve.websocket("/chat")
            def answer(peer):
                assert peer.receive() == "tea"
            with client(httpserve, "/chat") as one:
                one.send("coffee")
                for message in one:
                    pass
        """.replace("\n        ", "\n")
    )
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines_random(
        [
            "*nobody accepted GET /chat, a connection to the route GET /chat (*test_*.py:*)*",
            "*nobody received 1 message of GET /chat*",
            "*> text, 4 bytes: 'lost'*",
            "*assert 'coffee' == 'tea'*",
            "*GET /chat -> 101*",
            "*> text, 6 bytes: 'coffee'*",
            "*< close 1011*",
        ]
    )
