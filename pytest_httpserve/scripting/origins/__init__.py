"""Origins: hosts on the internet for which a test answers."""
