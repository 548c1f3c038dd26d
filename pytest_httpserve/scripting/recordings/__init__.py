"""Recordings: what real hosts have answered, kept as HAR files, and answered again."""
