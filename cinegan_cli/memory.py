"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


def give_back() -> None:
    """Give what has been freed back to the system, where the C library can (glibc); it takes some 10 ms.

    Planes of a 4K picture are just small enough for glibc to keep, in pieces that the next ones do not fit into: in all
    200 MB more than are in use.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; none that can be opened so (Windows)
        return None
