"""CGI (RFC 3875): programs in a directory that answer requests."""

CGI_TIMEOUT = 30.0  # seconds that a script may keep the server waiting
