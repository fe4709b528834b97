"""Frames of any loop on disk, one at a time: video by ffmpeg, animated pictures by Pillow, folders of PNG files."""

from __future__ import annotations

import re
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

from cinegan_cli.errors import InputError
from cinegan_cli.stages.photo import decode_picture, to_8_bit
from cinegan_cli.stages.video.encoders import foreign_input
from cinegan_cli.stages.video.ffmpeg import ffmpeg_executable
from cinegan_cli.stages.video.names import NUMBER_FIELD, existing_frames
from cinegan_cli.stages.video.probe import plainly

Frame = NDArray[np.uint8]

PICTURES = (".gif", ".webp", ".apng", ".png")
FRAME_FILES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def read_frames(path: Path) -> Iterator[Frame]:
    """RGB frames, uint8 [H, W, 3], of a video, an animated picture, a folder of frames or a pattern (dir/%04d.png).

    Raises `InputError` when there are none or the file is damaged.
    """
    if is_pattern(path):
        return _folder_frames(path, existing_frames(path))
    if path.is_dir():
        return _folder_frames(path, [file for file in path.iterdir() if file.suffix.lower() in FRAME_FILES])
    if not path.exists():
        raise InputError(f"{path}: no such file; check the name")
    if path.suffix.lower() in PICTURES:
        return _picture_frames(path)
    return _video_frames(path)


def is_pattern(path: Path) -> bool:
    """Whether a path is a pattern such as dir/%04d.png, and no file of that name exists."""
    return len(NUMBER_FIELD.findall(path.name)) == 1 and not path.exists()


def is_lossless(path: Path) -> bool:
    """Whether frames come back exactly as they were written: PNG frames and APNG."""
    return path.is_dir() or is_pattern(path) or path.suffix.lower() in (".png", ".apng")


def _folder_frames(place: Path, files: list[Path]) -> Iterator[Frame]:
    shown = sorted((file for file in files if not file.name.startswith(".")), key=_by_number)
    if not shown:
        raise InputError(f"{place}: there are no frames (PNG, JPEG, WebP, TIFF or BMP files)")
    for file in shown:  # by Pillow: OpenCV makes a whole picture of half a JPEG, and complains on stderr
        pixels = decode_picture(file, background=(0, 0, 0), convert_profile=False).pixels
        deep = pixels.dtype == np.uint16
        yield to_8_bit(np.asarray(pixels, np.uint16)) if deep else np.asarray(pixels, np.uint8)


def _by_number(file: Path) -> tuple[int, str]:
    numbers = re.findall(r"\d+", file.stem)
    return (int(numbers[-1]) if numbers else -1, file.name)


def _picture_frames(path: Path) -> Iterator[Frame]:
    try:
        with Image.open(path) as image:
            shown = [_duration(frame) for frame in ImageSequence.Iterator(image)]
            unit = min((duration for duration in shown if duration > 0), default=0.0)
            for frame, duration in zip(ImageSequence.Iterator(image), shown, strict=True):
                pixels = np.array(frame.convert("RGB"))
                # Encoders merge equal frames into one that is shown longer: they are told apart again here.
                for _ in range(min(100, max(1, round(duration / unit))) if unit else 1):
                    yield pixels
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: the animated picture cannot be read ({reason}); write it again") from None


def _duration(frame: Image.Image) -> float:
    """Milliseconds; those of a WebP frame are only known once it is decoded."""
    frame.load()
    return float(frame.info.get("duration", 0) or 0)


def _video_frames(path: Path) -> Iterator[Frame]:
    """Frames through a pipe, as PPM pictures: each tells its own size, so nothing has to be known beforehand."""
    arguments = ["-v", "error", "-nostdin", *foreign_input(path), "-map", "0:v:0", "-fps_mode", "passthrough"]
    matrix = "scale=flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24"  # the file's own tags choose the matrix
    process = subprocess.Popen(
        [ffmpeg_executable(), *arguments, "-vf", matrix, "-f", "image2pipe", "-c:v", "ppm", "pipe:1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said: deque[bytes] = deque(maxlen=5)
    listener = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
    listener.start()
    try:
        count = 0
        while (magic := process.stdout.readline()) == b"P6\n":
            width, height = map(int, process.stdout.readline().split())
            process.stdout.readline()  # the largest value, always 255
            data = process.stdout.read(width * height * 3)
            if len(data) < width * height * 3:
                break
            count += 1
            yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
        if process.wait() or magic or not count:
            listener.join()
            reason = plainly(b" ".join(said).decode(errors="replace"))
            raise InputError(f"{path}: the video cannot be read ({reason}); write it again")
    finally:
        process.kill()
        process.wait()
        listener.join()
        process.stdout.close()
        process.stderr.close()
