"""Asks the API for runs as a program of a few lines would, and prints the seconds that it took.

A script by itself, for any interpreter that has ``httpx`` or ``skyvern``: client, base URL, file
with ids, how many requests at once.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_KEY = "benchmark-key-0123456789"


async def main(client: str, base_url: str, ids: list[str], concurrency: int) -> None:
    if client == "httpx":
        seconds = await _with_httpx(base_url, ids, concurrency)
    else:
        seconds = await _with_skyvern(base_url, ids, concurrency)
    sys.stdout.write(f"{seconds}\n")


async def _with_httpx(base_url: str, ids: list[str], concurrency: int) -> float:
    httpx = import_module("httpx")
    async with httpx.AsyncClient(base_url=base_url, headers={"x-api-key": _KEY}) as client:

        async def ask(run_id: str) -> object:
            response = (await client.get(f"/v1/runs/{run_id}")).raise_for_status()
            return response.json()["run_id"]

        return await _timed(ask, ids, concurrency)


async def _with_skyvern(base_url: str, ids: list[str], concurrency: int) -> float:
    client: Any = import_module("skyvern").Skyvern(api_key=_KEY, base_url=base_url)

    async def ask(run_id: str) -> object:
        return (await client.get_run(run_id)).run_id

    return await _timed(ask, ids, concurrency)


async def _timed(
    ask: Callable[[str], Awaitable[object]], ids: list[str], concurrency: int
) -> float:
    await ask(ids[0])  # what is loaded at the first question does not count
    started = time.perf_counter()
    left = iter(ids)
    await asyncio.gather(*(_take(ask, left) for _ in range(concurrency)))
    return time.perf_counter() - started


async def _take(ask: Callable[[str], Awaitable[object]], left: Iterator[str]) -> None:
    """One of those that ask: none waits for a connection, which httpx's pool is slow at."""
    for run_id in left:
        if await ask(run_id) != run_id:
            sys.exit(f"another run came than {run_id}")


if __name__ == "__main__":
    asyncio.run(
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_text().split(), int(sys.argv[4]))
    )
