"""Recordings: the answers of real hosts, kept as HAR files and replayed."""
