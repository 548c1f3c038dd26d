"""The protocols: they turn a connection's bytes into requests, and responses into bytes."""
