"""``python -m pytest_httpserve.server``: the same as ``python -m http.server``, with the same options."""

from pytest_httpserve.server import _main

if __name__ == "__main__":
    _main()
