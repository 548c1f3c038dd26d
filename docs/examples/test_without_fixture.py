"""The same server without the fixtures: in a script, in a REPL, or under another test framework."""

import unittest

import requests

from pytest_httpserve import HTTPServe


class Status(unittest.TestCase):
    def test_the_status_page_is_read(self) -> None:
        with HTTPServe() as server:
            server.on("GET", "/status").respond(text="all is well")
            answer = requests.get(server.url_for("/status"), timeout=5).text

            print(*server.exchanges, sep="\n")

        self.assertEqual(answer, "all is well")
        # The server stopped at the end of the block, so nothing answers on its port.
        with self.assertRaises(requests.ConnectionError):
            requests.get(f"http://{server.host}:{server.port}/status", timeout=5)
