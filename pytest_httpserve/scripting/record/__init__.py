"""What a server remembers: requests, exchanges, connections and their handshakes."""
