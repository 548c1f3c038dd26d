"""The command lines: our own, and the one of ``http.server``."""
