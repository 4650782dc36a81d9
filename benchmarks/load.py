"""A load generator that costs little: raw HTTP/1.1 over keep-alive connections of one thread.

It sends prepared bodies to a loopback server and counts the answers; it never goes elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Load:
    """What a run of the generator saw."""

    seconds: float
    statuses: dict[int, int]
    latencies_ms: list[float] = field(repr=False)

    def percentile_ms(self, share: float) -> float:
        """The latency below which that share of the requests stayed."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def run_load(
    port: int, path: str, bodies: list[bytes], *, token: str, connections: int = 32
) -> Load:
    """POST each body once over `connections` connections to 127.0.0.1."""
    return asyncio.run(_run(port, path, bodies, token, connections))


async def _run(port: int, path: str, bodies: list[bytes], token: str, connections: int) -> Load:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    waiting = iter(bodies)
    load = Load(0.0, {}, [])

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in waiting:
            began = time.perf_counter()
            writer.write(head + str(len(body)).encode() + b"\r\n\r\n" + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            status = int(answer[9:12])
            length = _content_length(answer)
            if length:
                await reader.readexactly(length)
            load.latencies_ms.append((time.perf_counter() - began) * 1000)
            load.statuses[status] = load.statuses.get(status, 0) + 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(connections)))
    load.seconds = time.perf_counter() - began
    return load


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0
