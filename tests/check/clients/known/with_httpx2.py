import sys

import httpx2

with httpx2.Client(http2=True, timeout=3, follow_redirects=True) as client:
    answer = client.get(sys.argv[1])
    answer.raise_for_status()
    sys.stdout.buffer.write(answer.content)
