import sys

import httpx

answer = httpx.get(sys.argv[1], timeout=3, follow_redirects=True)
answer.raise_for_status()
sys.stdout.buffer.write(answer.content)
