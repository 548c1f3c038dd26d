"""The trace of a test: a page that shows its exchanges, from a HAR, and needs nothing but a browser."""
