"""Server-sent events: what changed, told to every page that listens; and notice when the last page has gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

PATIENCE = 10.0  # seconds without a page after which `gone` is called
HEARTBEAT = 15.0  # seconds between signs of life, by which closed connections are found
MOST_LISTENERS = 16
MOST_WAITING = 256  # events that one listener may leave unread; older ones are dropped


class Events:
    """Listeners of one server. `gone` is called once the last one has been away for `PATIENCE`."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone
        self._queues: set[asyncio.Queue[str]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def full(self) -> bool:
        """Whether no more listeners are taken."""
        return len(self._queues) >= MOST_LISTENERS

    def send(self, name: str, values: Mapping[str, Any]) -> None:
        """Tell all listeners; from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            message = f"event: {name}\ndata: {json.dumps(values)}\n\n"
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._spread, message)

    async def stream(self) -> AsyncIterator[str]:
        """All events from now on, as text."""
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)
        self._queues.add(queue)
        try:
            yield ": hello\n\n"
            while True:
                yield await self._next(queue)
        finally:
            self._queues.discard(queue)
            if not self._queues:
                self._loop.call_later(PATIENCE, self._left)

    async def _next(self, queue: asyncio.Queue[str]) -> str:
        try:
            return await asyncio.wait_for(queue.get(), HEARTBEAT)
        except asyncio.TimeoutError:
            return ": still here\n\n"

    def _spread(self, message: str) -> None:
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)

    def _left(self) -> None:
        if not self._queues:
            self._gone()
