"""What the server answers, and when: responses, gates, limits."""
