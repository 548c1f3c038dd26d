"""What is answered, and when: responses, gates, limits."""
