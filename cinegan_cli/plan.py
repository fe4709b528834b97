"""What can be said of a run before torch is imported: which files it reads, and whether it may write where it is to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from cinegan_cli.config import Config
from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.stages.video import check_outputs, existing_frames, keep_inputs, writes_frames
from cinegan_cli.types import PhotoSource


def check_files(photo: PhotoSource, config: Config) -> None:
    """Refuse outputs that cannot be written, or that are inputs, and a folder as photo: see `check_outputs`."""
    require_file(photo)
    if not config.video.out:
        raise UsageError(f'{name_of(photo)}: nothing to write; name the loop with out, such as out="loop.mp4"')
    read = input_files(photo, config)
    keep_inputs(config.video.out, read)
    check_outputs(config.video, fps=config.render.fps)
    for pattern in filter(writes_frames, config.video.out):
        keep_inputs(existing_frames(pattern), read)


@contextmanager
def opencv_threads(count: int | None) -> Iterator[None]:
    """OpenCV computes with so many threads while inside; None: as many as before."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(before if count is None else count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def require_file(photo: PhotoSource) -> None:
    """Raise `InputError` for a folder."""
    if isinstance(photo, Path) and os.path.isdir(photo):
        raise InputError(f"{photo}: is a folder; `cinegan animate` takes folders, this takes one photo at a time")


def name_of(source: PhotoSource) -> str:
    """How messages call the photo."""
    return str(source) if isinstance(source, Path) else "the photo"


def input_files(photo: PhotoSource, config: Config) -> tuple[Path, ...]:
    """The files that a run reads; what was given as an array or a picture is none."""
    target, models = (None if name is None else Path(name) for name in (config.style.target, config.inversion.models))
    sources = (
        photo,
        config.mask.mask,
        config.mask.freeze,
        config.mask.mask_network,
        config.motion.motion,
        config.motion.hints,
        config.motion.motion_network,
        config.inversion.latents,
        models,
        target,
    )
    return tuple(source for source in sources if isinstance(source, Path))
