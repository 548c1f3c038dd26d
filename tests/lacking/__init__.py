"""The suite on a Python that lacks what other systems do not have: ``python -m tests.lacking poll,AF_UNIX -n 2``."""
