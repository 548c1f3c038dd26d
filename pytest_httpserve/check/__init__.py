"""``python -m pytest_httpserve check``: runs a command against each of the things that can go wrong."""
