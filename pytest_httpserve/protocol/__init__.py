"""Between a connection's bytes and the requests and responses that they are."""
