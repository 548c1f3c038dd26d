"""What a reader sees: near misses, transcripts, failed assertions."""
