"""The photo that is open: at working size in memory, whole in a temporary file; and what the seer sees in it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.config import Config, MaskConfig, PhotoConfig
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.scene import find_motion, with_sight
from cinegan_cli.session import Session
from cinegan_cli.stages.look import parse_target, restyle
from cinegan_cli.stages.mask import frozen, make_mask, mask_to_u8, read_for_photo, sight_of, three_ways
from cinegan_cli.stages.photo import decode_picture, read_photo, to_8_bit
from cinegan_cli.types import Mask, Motion, Photo, Sight

WORK_SIDE = 1600  # px, long side of what is shown and painted on
THUMB_SIDE = 160
LARGEST_TILE = 2048 * 2048  # px
WHITE = (255, 255, 255)


@dataclass(frozen=True)
class Found:
    """How the photo moves, at working size, or the `error` that says why it does not; `notices` are of its mask."""

    motion: Motion | None
    error: str | None = None
    notices: tuple[str, ...] = ()


class Picture:
    """An opened photo. Methods that look into it may be called from any thread; one looks at a time."""

    def __init__(self, data: bytes, name: str, session: Session) -> None:
        """Decode a picture file. Raises InputError for what is no usable photo."""
        decoded = decode_picture(data, background=WHITE)
        pixels = decoded.pixels if decoded.pixels.dtype == np.uint8 else to_8_bit(np.asarray(decoded.pixels, np.uint16))
        small = read_photo(Image.fromarray(np.asarray(pixels)), PhotoConfig(max_side=WORK_SIDE))
        self.photo: Photo = replace(small, name=name, notices=decoded.notices)
        with tempfile.TemporaryFile() as file:  # gone when the map is
            self._whole: NDArray[np.uint8] = np.memmap(file, np.uint8, "w+", shape=pixels.shape)
        self._whole[:] = pixels
        self._session = session
        self._lock = Lock()
        self._sight: Sight | None = None
        self._mask: tuple[object, Mask] | None = None
        self._thumbs: dict[str, bytes] = {}

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the whole photo."""
        return self.photo.source_size

    def jpeg(self) -> bytes:
        """The photo at working size."""
        return encoded(self.photo.pixels_u8.numpy(), ".jpg")

    def tile(self, x: int, y: int, width: int, height: int) -> bytes:
        """A part of the whole photo as a JPEG. Raises UsageError for what does not lie in it, or is too large."""
        whole_width, whole_height = self.size
        inside = 0 <= x < x + width <= whole_width and 0 <= y < y + height <= whole_height
        if not inside or width * height > LARGEST_TILE:
            raise UsageError(f"tile: must lie in the {whole_width}x{whole_height} px photo, and be 2048x2048 at most")
        return encoded(self._whole[y : y + height, x : x + width], ".jpg")

    def sight(self) -> Sight:
        """What the seer sees in the photo; it looks once."""
        with self._lock:
            return self._seen()

    def find(self, config: Config) -> Found:
        """What moves and how, with the settings of a run; the whole photo, whatever part the run shows."""
        with self._lock, self._session.at_work(), torch.inference_mode():
            try:
                mask = self._masked(config.mask)
                if config.mask.freeze is not None:
                    mask = frozen(mask, config.mask.freeze, self.photo)
            except InputError as error:
                return Found(None, str(error))
            try:
                mask = with_sight(self.photo, mask, config, self._session, self._seen())
                return Found(find_motion(self.photo, mask, config, self._session), notices=mask.notices)
            except (InputError, UsageError) as error:
                return Found(None, str(error), mask.notices)

    def moving(self, config: MaskConfig) -> bytes:
        """What moves but for what is frozen, as a grey PNG of working size; black where nothing does."""
        with self._lock, self._session.at_work(), torch.inference_mode():
            try:
                return encoded(mask_to_u8(self._masked(config)).numpy(), ".png")
            except InputError:
                width, height = self.photo.size
                return encoded(np.zeros((height, width), np.uint8), ".png")

    def painted(self, path: Path | None, option: str) -> bytes:
        """A mask that was painted, at working size as a grey PNG; black where there is none. Raises InputError."""
        width, height = self.photo.size
        values = np.zeros((height, width), np.float32) if path is None else read_for_photo(path, self.photo, option)
        return encoded(np.rint(values * 255).astype(np.uint8), ".png")

    def thumb(self, look: str) -> bytes:
        """The photo in a look, small, as a JPEG. Raises UsageError for a look that is not known."""
        with self._lock, self._session.at_work(), torch.inference_mode():
            if look not in self._thumbs:
                sky, water = three_ways(self._seen())[1:]
                small = read_photo(Image.fromarray(self.photo.pixels_u8.numpy()), PhotoConfig(max_side=THUMB_SIDE))
                mask = Mask(torch.zeros(small.size[1], small.size[0]), "predicted", sky, water)
                picture = restyle(small, mask, parse_target(look), session=self._session)
                levels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0)
                self._thumbs[look] = encoded(levels.contiguous().numpy(), ".jpg")
            return self._thumbs[look]

    def _seen(self) -> Sight:
        if self._sight is None:
            with self._session.at_work():
                self._sight = sight_of(self.photo, MaskConfig(), self._session)
        return self._sight

    def _masked(self, config: MaskConfig) -> Mask:
        """The mask before anything is frozen, kept while its file and settings are the same."""
        config = replace(config, freeze=None)
        stamp = config, _stamp(config.mask)
        if self._mask is None or self._mask[0] != stamp:
            self._mask = stamp, make_mask(self.photo, config, session=self._session, sight=self._seen())
        return self._mask[1]


def encoded(pixels: NDArray[Any], ending: str) -> bytes:
    """uint8 [h, w] or [h, w, 3] RGB as a .jpg or .png."""
    picture = pixels if pixels.ndim == 2 else cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if ending == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    done, data = cv2.imencode(ending, picture, options)
    assert done
    return data.tobytes()


def _stamp(path: object) -> object:
    if not isinstance(path, Path):
        return path
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
