"""Bodies of requests, as they come: never more than a limit, never for ever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request

LARGEST_UPLOAD = 200 * 2**20  # bytes
LARGEST_MASK = 64 * 2**20
LARGEST_JSON = 2**20
PATIENCE = 30.0  # seconds without a byte


async def received(request: Request, limit: int) -> bytes:
    """The whole body. Raises HTTPException where it is larger than `limit` bytes, or stops coming."""
    data = bytearray()
    async for chunk in _chunks(request, limit):
        data += chunk
    return bytes(data)


async def received_json(request: Request) -> object:
    """The body as JSON; an empty one is {}. Raises HTTPException."""
    data = await received(request, LARGEST_JSON)
    try:
        return json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(422, "the request: is no JSON; send an object") from None


async def received_file(request: Request, path: Path, limit: int = LARGEST_UPLOAD) -> None:
    """The body, written to `path`. Raises HTTPException, and OSError where the disk refuses."""
    with path.open("wb") as file:
        async for chunk in _chunks(request, limit):
            file.write(chunk)
        if file.tell() == 0:
            raise HTTPException(422, "the upload: is empty; send a picture or a project")


async def _chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The chunks of a body. A size that is announced is believed where it is too large, and else counted."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    stream = request.stream()
    total = 0
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), PATIENCE)
        except StopAsyncIteration:
            return
        except asyncio.TimeoutError:
            raise HTTPException(408, "the upload: nothing came for half a minute; send it again") from None
        total += len(chunk)
        if total > limit:
            raise _too_large(limit)
        yield chunk


def _too_large(limit: int) -> HTTPException:
    return HTTPException(
        413, f"the upload: is larger than {limit // 2**20} MB; scale the picture down first", {"connection": "close"}
    )
