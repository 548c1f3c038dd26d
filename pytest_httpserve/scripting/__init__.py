"""What a test says to its server and asks of it."""
