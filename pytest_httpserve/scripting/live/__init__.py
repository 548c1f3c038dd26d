"""Being there or not: addresses, Unix sockets, refusing and hanging, waiting."""
