"""Sockets and threads: accepting, waiting, moving bytes under deadlines, ending. Nothing in here knows HTTP."""
