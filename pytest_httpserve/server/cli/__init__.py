"""The command lines: ours, and that of ``http.server``."""
