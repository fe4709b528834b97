"""How much of the fire there is: CINEGAN_FIRE_SHARE of the full counts. CI takes a part, a whole run takes an hour."""

from __future__ import annotations

import os

SHARE = float(os.environ.get("CINEGAN_FIRE_SHARE", "1"))


def share(count: int, least: int) -> int:
    """How many of `count` are tried."""
    return min(count, max(least, round(SHARE * count)))
