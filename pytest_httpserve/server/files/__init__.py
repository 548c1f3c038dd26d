"""Static roots: which file a path names, what a request asks of it, and the answer with it or with a listing."""
