"""Tests of pytest-httpserver, rewritten for this package: ``python -m pytest_httpserve migrate tests/``."""
