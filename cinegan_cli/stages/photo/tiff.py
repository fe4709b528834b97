"""TIFF files that libtiff has to decode, decoded in a process of their own (`tiff_process` says why)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.stages.photo.source import Source

PROGRAM = Path(__file__).with_name("tiff_process.py")


def needs_libtiff(image: Image.Image) -> bool:
    """Whether the pixels of an opened, not yet loaded picture are compressed in a TIFF's ways."""
    return image.format == "TIFF" and any(tile[0] == "libtiff" for tile in getattr(image, "tile", ()))


def decoded_tiff(source: Source, image: Image.Image) -> Image.Image:
    """The upright pixels of an opened TIFF, with its own metadata but for the orientation. Raises OSError."""
    header, content = _run(source)
    pixels = Image.frombytes(header["mode"], tuple(header["size"]), content)
    palette = image.getpalette() if image.mode == "P" else None
    if palette is not None:
        pixels.putpalette(palette)
    pixels.info = dict(image.info)
    return pixels


def deep_tiff(source: Source) -> NDArray[np.uint16] | None:
    """uint16 [h, w, 1 to 4] in R, G, B, A order, upright, of a sound TIFF in 16 bits; None where that fails."""
    try:
        header, content = _run(source, "deep")
    except OSError:
        return None
    return np.frombuffer(content, np.uint16).reshape(header["shape"]).copy()


def _run(source: Source, *words: str) -> tuple[dict[str, Any], bytes]:
    """What the program says and writes. Raises OSError with its reason."""
    path = "-" if source.path is None else os.path.abspath(source.path)
    finished = subprocess.run(
        [sys.executable, str(PROGRAM), path, *words],
        input=source.data,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)},
        check=False,
    )
    said, _, content = finished.stdout.partition(b"\n")
    header: dict[str, Any] = json.loads(said) if finished.returncode == 0 and said else {"error": "decoding failed"}
    if "error" in header:
        raise OSError(header["error"])
    return header, content
