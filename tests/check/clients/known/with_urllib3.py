import sys

import urllib3

answer = urllib3.request("GET", sys.argv[1], timeout=3)
if answer.status >= 400:
    sys.exit(f"status {answer.status}")
sys.stdout.buffer.write(answer.data)
