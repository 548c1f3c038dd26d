"""Origins: hosts of the internet that a test answers for."""
