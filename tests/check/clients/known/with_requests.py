import sys

import requests

answer = requests.get(sys.argv[1], timeout=3)
answer.raise_for_status()
sys.stdout.buffer.write(answer.content)
