"""What a report says of an exception in the test's own code."""

from __future__ import annotations

import os
import traceback

from pytest_httpserve.scripting.record.readable import readable_text

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


def raised_text(said: str, error: BaseException, aim: str = "") -> str:
    """What was ``said`` of the error, and its traceback without our own frames, followed by ``aim``."""
    trace = error.__traceback__
    while trace and trace.tb_next and trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    return readable_text(f"{said}:\n{text}{aim}")
