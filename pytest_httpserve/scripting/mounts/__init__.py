"""What answers under a prefix: directories, CGI scripts, applications."""
