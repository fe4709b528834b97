"""Writers of what others publish: LZ4 frames, packed arrays, .flo files, short clips."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinegan_cli.config import VideoConfig
from cinegan_cli.stages.video import write_loop
from cinegan_cli.training.data.scenes import Scene

FPS = 12.0


def lz4(data: bytes) -> bytes:
    """A frame of one block: every run of 64 equal bytes is a copy of its first, the rest is literal."""
    out, at, literal = bytearray(), 0, 0
    while at + 80 < len(data):
        if data[at : at + 64] == data[at : at + 1] * 64:
            out += sequence(data[literal : at + 1], 63, 1)
            at = literal = at + 64
        else:
            at += 1
    rest = data[literal:]
    out += bytes([min(len(rest), 15) << 4]) + more(len(rest)) + rest
    return struct.pack("<IBBBI", 0x184D2204, 0x60, 0x70, 0x73, len(out)) + bytes(out) + bytes(4)


def sequence(literals: bytes, copied: int, back: int) -> bytes:
    """Literals, then so many bytes from `back` bytes ago."""
    token = min(len(literals), 15) << 4 | min(copied - 4, 15)
    return bytes([token]) + more(len(literals)) + literals + struct.pack("<H", back) + more(copied - 4)


def more(length: int) -> bytes:
    if length < 15:
        return b""
    return b"\xff" * ((length - 15) // 255) + bytes([(length - 15) % 255])


def packed(field: NDArray[np.float32], protocol: int = 4) -> bytes:
    """As NAME_motion.pth of the Eulerian set: [1, 2, h, w]."""
    return lz4(pickle.dumps(np.ascontiguousarray(field[None]), protocol=protocol))


def flo(field: NDArray[np.float32]) -> bytes:
    size = struct.pack("<ii", field.shape[2], field.shape[1])
    return b"PIEH" + size + np.ascontiguousarray(field.transpose(1, 2, 0), "<f4").tobytes()


def river(seed: int = 11, size: tuple[int, int] = (96, 64), kind: str = "lake") -> Scene:
    return Scene(seed, size, kind)


def per_frame(scene: Scene, fps: float) -> NDArray[np.float32]:
    """The scene's true motion, px per frame."""
    return np.asarray(scene.velocity * max(scene.width, scene.height) / fps, np.float32)


def write_clip(path: Path, scene: Scene, count: int = 14, fps: float = FPS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = (scene.at(n / fps) for n in range(count))
    size = scene.width, scene.height
    write_loop(frames, size=size, fps=fps, count=count, config=VideoConfig(out=(path,), overwrite=True))
    return path
