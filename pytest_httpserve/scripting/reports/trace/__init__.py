"""The trace of a test: a page that shows the exchanges of a HAR, and needs nothing but a browser."""
