"""What goes wrong on purpose, and the wire that it happens on."""
