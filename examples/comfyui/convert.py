"""Between ComfyUI's types and those of cinegan.

IMAGE is a float tensor [B, H, W, 3] in [0, 1], MASK [B, H, W] (or [H, W]): here 1 is what moves. ARROWS is a dict with
`arrow`, a list of (x0, y0, x1, y1), and `anchor`, a list of (x, y), in pixels of the picture. MOTION is a dict with
`options`, how it was asked for, and `fields`, the motion of each picture: float tensors [2, h, w] in photo px per
second, on a grid that covers the picture.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import comfy.model_management
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import RunConfig
from cinegan_cli.session import Session


@lru_cache(maxsize=1)
def session() -> Session:
    """One for all nodes, so that networks are opened once; on ComfyUI's device."""
    device = comfy.model_management.get_torch_device().type
    return Session(RunConfig(device=device if device in ("cpu", "cuda", "mps") else "auto"))


def pictures(images: Tensor) -> list[NDArray[np.uint8]]:
    """Each picture of a batch, uint8 [H, W, 3]."""
    return list((images[..., :3].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())


def images_of(found: list[Tensor]) -> Tensor:
    """Pictures uint8 [H, W, 3] of one size as a batch."""
    return torch.stack([picture.cpu() for picture in found]).float() / 255


def masks(mask: Tensor | None, count: int) -> list[NDArray[np.uint8] | None]:
    """The mask of each of `count` pictures, uint8 [H, W]; one mask goes for all."""
    if mask is None:
        return [None] * count
    batch = mask if mask.ndim == 3 else mask[None]
    if len(batch) not in (1, count):
        raise ValueError(f"{len(batch)} masks for {count} pictures: give one mask, or one for each picture")
    found = list((batch.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())
    return found * count if len(found) == 1 else found


def parse_arrows(text: str) -> dict[str, list[tuple[float, ...]]]:
    """ARROWS of a text: a line (or an item of a JSON list) of four numbers is an arrow, of two a point that stays."""
    try:
        rows = json.loads(text) if text.strip().startswith("[") else [line.split(",") for line in _lines(text)]
        numbers = [tuple(float(number) for number in row) for row in rows]
    except (TypeError, ValueError) as error:
        raise ValueError(f"arrows: lines such as 100,200,160,200 are wanted, not {text.strip()[:60]!r}") from error
    if wrong := [row for row in numbers if len(row) not in (2, 4)]:
        raise ValueError(f"arrows: an arrow has 4 numbers, a point that stays 2, but here are {len(wrong[0])}")
    return {
        "arrow": [row for row in numbers if len(row) == 4],
        "anchor": [row for row in numbers if len(row) == 2],
    }


def chosen(**options: Any) -> dict[str, Any]:
    """The options that say something: text that is not empty."""
    return {name: value for name, value in options.items() if value != ""}


def _lines(text: str) -> list[str]:
    return [line for line in (part.partition("#")[0].strip() for part in text.splitlines()) if line]
