"""WebSocket connections: the routes that open them, and the server's end of each."""
