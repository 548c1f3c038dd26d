"""Whether a server is reachable: addresses, Unix sockets, refusing and hanging; and waiting."""
