"""Rewrites tests that use pytest-httpserver for this package: ``python -m pytest_httpserve migrate tests/``."""
