import asyncio
import sys

import aiohttp


async def main() -> None:
    timeout = aiohttp.ClientTimeout(total=3)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(sys.argv[1]) as answer:
        answer.raise_for_status()
        sys.stdout.buffer.write(await answer.read())


asyncio.run(main())
