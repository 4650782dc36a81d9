"""Lets a synchronous client talk to an ASGI application in its own process.

One event loop serves every call, on the thread that calls; between calls it rests. The
application's lifespan begins with the first call and ends when the transport closes.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx


class InProcessTransport(httpx.BaseTransport):
    """An httpx transport over an ASGI application. Not thread-safe; close it."""

    def __init__(self, app: Any, lifespan: AbstractAsyncContextManager[Any]) -> None:
        self._asgi = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._lifespan = lifespan
        self._runner: asyncio.Runner | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request; the whole body is in memory on both ways."""
        return self._started().run(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        whole = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.read()
        )
        answer = await self._asgi.handle_async_request(whole)
        if not isinstance(answer.stream, httpx.AsyncByteStream):
            raise TypeError("an ASGI answer is an asynchronous stream")
        body = b"".join([part async for part in answer.stream])
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(body)
        )

    def _started(self) -> asyncio.Runner:
        if self._runner is None:
            runner = asyncio.Runner()
            try:
                runner.run(self._enter())
            except BaseException:
                runner.close()
                raise
            self._runner = runner
        return self._runner

    async def _enter(self) -> None:
        await self._lifespan.__aenter__()

    async def _leave(self) -> None:
        await self._lifespan.__aexit__(None, None, None)

    def close(self) -> None:
        """End the application's lifespan and its event loop."""
        runner, self._runner = self._runner, None
        if runner is not None:
            with runner:
                runner.run(self._leave())
