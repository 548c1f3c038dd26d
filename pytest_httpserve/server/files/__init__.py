"""Static roots: find the file that a path names, check the request's conditions, and send the file or a listing."""
