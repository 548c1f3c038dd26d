"""Things that go wrong on purpose, and the wire on which they happen."""
