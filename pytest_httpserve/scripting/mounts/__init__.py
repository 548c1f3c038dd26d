"""What answers beneath a prefix: directories, CGI scripts, applications."""
