"""What large bodies are kept in."""

from __future__ import annotations

import pytest

from pytest_httpserve.scripting.record import spool as module
from pytest_httpserve.scripting.record.spool import Spool


@pytest.fixture
def empty_spool(monkeypatch: pytest.MonkeyPatch) -> Spool:
    """One of this test alone: bodies that others have left may go at any moment."""
    spool = Spool()
    monkeypatch.setattr(module, "_here", spool)
    return spool
