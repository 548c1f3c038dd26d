"""``python -m pytest_httpserve check``: runs a command against everything that can go wrong, one thing at a time."""
