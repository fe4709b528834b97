"""Makers of damaged and misleading files, and of faults of the machine, for `test_bad_inputs`."""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
import shutil
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli import pipeline
from cinegan_cli.stages.video import outputs as video_outputs

Make = Callable[[Path], object]  # changes the folder of a case
Fault = Callable[[pytest.MonkeyPatch, Path], object]  # breaks the machine for the time of a case


class Evil:
    """Unpickling it makes a folder named `executed`."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("executed",)


def text(name: str, content: str | bytes = "hello\n") -> Make:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def blank(name: str, width: int, height: int, mode: str = "RGB", level: int = 0) -> Make:
    colour = level if len(mode) == 1 else (level,) * len(mode)
    return lambda folder: Image.new(mode, (width, height), colour).save(folder / name)


def cut(name: str, source: str = "photo.png", share: float = 0.5) -> Make:
    """The first part of `source`, converted to the kind of `name` if that is another picture."""

    def make(folder: Path) -> None:
        data = (folder / source).read_bytes()
        if Path(source).suffix != Path(name).suffix:
            whole = io.BytesIO()
            with Image.open(folder / source) as image:
                image.save(whole, {".jpg": "JPEG", ".tif": "TIFF"}[Path(name).suffix])
            data = whole.getvalue()
        (folder / name).write_bytes(data[: int(len(data) * share)])

    return make


def png_claiming(name: str, width: int, height: int) -> Make:
    """A PNG whose header claims a size that its few bytes of data do not fill."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return text(name, b"\x89PNG\r\n\x1a\n" + header + data)


def damaged_png(name: str) -> Make:
    def make(folder: Path) -> None:
        data = bytearray((folder / "photo.png").read_bytes())
        data[len(data) // 2] ^= 0xFF
        (folder / name).write_bytes(data)

    return make


def damaged_tiff(name: str) -> Make:
    """A compressed TIFF with two wrong bytes, of which libtiff complains on its own."""

    def make(folder: Path) -> None:
        whole = io.BytesIO()
        with Image.open(folder / "photo.png") as image:
            image.save(whole, "TIFF", compression="tiff_lzw")
        data = bytearray(whole.getvalue())
        third = len(data) // 3
        data[third : third + 2] = bytes(255 - byte for byte in data[third : third + 2])
        (folder / name).write_bytes(data)

    return make


def tiff_channels(name: str) -> Make:
    """A TIFF that claims 2048 channels, which Pillow logs as an error."""

    def make(folder: Path) -> None:
        with Image.open(folder / "photo.png") as image:
            image.save(folder / name)
        entry = struct.pack("<HHIH", 277, 3, 1, 3)  # SamplesPerPixel, one short: 3
        data = (folder / name).read_bytes()
        assert entry in data
        (folder / name).write_bytes(data.replace(entry, struct.pack("<HHIH", 277, 3, 1, 2048)))

    return make


def array(name: str, values: NDArray[Any]) -> Make:
    def make(folder: Path) -> None:
        with (folder / name).open("wb") as file:
            np.save(file, values)

    return make


def field(first: float = 1.0, *shape: int) -> NDArray[np.float32]:
    """A motion field of ones, [2, 6, 8] or of `shape`, whose first value is `first`."""
    values = np.ones(shape or (2, 6, 8), np.float32)
    values.flat[0] = first
    return values


def archive(name: str, **arrays: NDArray[Any]) -> Make:
    return lambda folder: np.savez(folder / name, **arrays)  # type: ignore[arg-type]


def damaged_archive(name: str) -> Make:
    """A compressed .npz whose data do not decompress."""

    def make(folder: Path) -> None:
        np.savez_compressed(folder / name, motion=field())
        data = bytearray((folder / name).read_bytes())
        data[60:70] = bytes(10)
        (folder / name).write_bytes(data)

    return make


def damaged_header(name: str) -> Make:
    """A .npy whose header is Python source that does not end."""
    return lambda folder: (folder / name).write_bytes((folder / "motion.npy").read_bytes().replace(b"}", b"("))


def evil_array(name: str) -> Make:
    return array(name, np.array([Evil()], dtype=object))


def evil_archive(name: str) -> Make:
    return archive(name, motion=np.array([Evil()], dtype=object))


def evil_pickle(name: str) -> Make:
    return text(name, pickle.dumps(Evil()))


def flo(name: str, width: int, height: int, values: int, magic: bytes = b"PIEH") -> Make:
    return text(name, magic + struct.pack("<ii", width, height) + bytes(4 * values))


def folder_named(name: str) -> Make:
    return lambda folder: (folder / name).mkdir()


def settings(options: object, **others: object) -> Make:
    """A settings file for --from."""
    return text("saved.json", json.dumps({"cinegan": "0", "photo": "photo.png", "options": options, **others}))


def both(*makes: Make) -> Make:
    return lambda folder: [make(folder) for make in makes]


def ffmpeg_script(*lines: str) -> Fault:
    """Another ffmpeg: a Python script."""

    def fault(patch: pytest.MonkeyPatch, folder: Path) -> None:
        script = folder.parent / "ffmpeg"  # beside the case's folder, which must stay as it is
        script.write_text("\n".join((f"#!{sys.executable}", "import os, signal, sys", *lines)) + "\n")
        script.chmod(0o755)
        patch.setenv("IMAGEIO_FFMPEG_EXE", str(script))

    return fault


def no_ffmpeg(patch: pytest.MonkeyPatch, folder: Path) -> None:
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    patch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)


def wrong_ffmpeg(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("IMAGEIO_FFMPEG_EXE", str(folder / "nowhere"))


def full_disk_for_frames(patch: pytest.MonkeyPatch, folder: Path) -> None:
    def save(frame: object, file: Path) -> int:
        file.write_bytes(b"half a frame")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    patch.setattr(video_outputs.PngFolder, "_save", staticmethod(save))


def _failing(error: int) -> Callable[..., Any]:
    def fail(*arguments: object, **keywords: object) -> Any:
        raise OSError(error, os.strerror(error), str(arguments[0]))

    return fail


def no_permission(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """What `os.access` says of a read-only folder (permission bits do not bind root, who runs CI)."""
    patch.setattr(os, "access", lambda path, mode, **keywords: not mode & os.W_OK)


def no_new_folders(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(Path, "mkdir", _failing(errno.EACCES))


def no_new_pictures(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(Image.Image, "save", _failing(errno.ENOSPC))


def no_new_arrays(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setattr(np, "save", _failing(errno.ENOSPC))


def after_a_frame(action: Callable[[Path], object]) -> Fault:
    """Something happens when one frame has been rendered and handed to the encoders."""

    def fault(patch: pytest.MonkeyPatch, folder: Path) -> None:
        rendered = pipeline.render

        def render(*arguments: Any) -> Iterator[NDArray[np.uint8]]:
            for index, frame in enumerate(rendered(*arguments)):
                if index == 1:
                    action(folder)
                yield frame

        patch.setattr(pipeline, "render", render)

    return fault


def raising(error: BaseException) -> Callable[[Path], object]:
    def action(folder: Path) -> None:
        raise error

    return action


def remove_outputs_folder(folder: Path) -> None:
    shutil.rmtree(folder / "new")
