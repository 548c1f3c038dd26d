"""``python -m pytest_httpserve.server``: what ``python -m http.server`` does, by the same options."""

from pytest_httpserve.server import _main

if __name__ == "__main__":
    _main()
