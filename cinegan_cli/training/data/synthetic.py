"""`cinegan data synthetic`: painted scenes as a motion set, and as clips for trying `from-videos` against the truth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from cinegan_cli.config import FRAME_RATE_OF_FILES, VideoConfig
from cinegan_cli.files import temporary_folder
from cinegan_cli.stages.video import reduced, write_loop
from cinegan_cli.training.data.folder import DataSet, MotionSample, Row
from cinegan_cli.training.data.scenes import Scene
from cinegan_cli.training.settings import SyntheticConfig
from cinegan_cli.types import Progress, silent

GRID_SIDE = 512  # longest side of motion.npy
ASPECTS = (1.0, 0.75, 0.66, 0.56)  # shorter over longer side
CLIP_SECONDS = 2.5
CLIP_RATE = 30.0
FINER = 2  # times: scenes are painted larger and averaged down, as a lens does


def make_synthetic(out: Path, config: SyntheticConfig, *, progress: Progress = silent) -> list[str]:
    """Add scenes to the motion set `out`; returns the names of the new ones. The same seed gives the same bytes.

    Raises OutputError when the folder cannot be written.
    """
    data = DataSet(out)
    added = []
    for number in range(config.count):
        name = f"synthetic_{config.seed}_{number:05d}"
        progress("painting", number, config.count)
        if f"{name}/photo.png" in data.rows:
            continue
        scene, files = paint(config, number)
        if config.clips:
            files["clip.mp4"] = encoded(scene)
        data.add([(_row(name, scene), {f"{name}/{file}": content for file, content in files.items()})])
        added.append(name)
    return added


def paint(config: SyntheticConfig, number: int) -> tuple[Scene, dict[str, bytes]]:
    """Scene `number` and the files of its sample."""
    aspect = ASPECTS[int(np.random.default_rng([config.seed, number, 1]).integers(len(ASPECTS)))]
    size = config.size, round(config.size * aspect / 2) * 2
    scene = Scene([config.seed, number], (FINER * size[0], FINER * size[1]))
    kinds = np.ascontiguousarray(scene.kinds[::FINER, ::FINER])
    mask = (kinds > 0).astype(np.uint8) * np.uint8(255)
    scale = min(1.0, GRID_SIDE / size[0])
    grid = round(size[0] * scale), round(size[1] * scale)
    field = np.stack([cv2.resize(part, grid, interpolation=cv2.INTER_AREA) for part in scene.velocity])
    motion = (field * (grid[0] / FRAME_RATE_OF_FILES)).astype(np.float16)
    return scene, MotionSample(reduced(scene.at(0), size), mask, motion, kinds).files()


def encoded(scene: Scene) -> bytes:
    """2.5 seconds of the scene as .mp4."""
    size = scene.width // FINER, scene.height // FINER
    count = round(CLIP_SECONDS * CLIP_RATE)
    frames = (reduced(scene.at(n / CLIP_RATE), size) for n in range(count))
    with temporary_folder("cinegan-synthetic-") as folder:
        path = folder / "clip.mp4"
        write_loop(frames, size=size, fps=CLIP_RATE, count=count, config=VideoConfig(out=(path,)))
        return path.read_bytes()


def _row(name: str, scene: Scene) -> Row:
    moving = scene.kinds > 0
    speed = float(np.hypot(*scene.velocity)[moving].mean()) if moving.any() else 0.0
    return {
        "file": f"{name}/photo.png",
        "split": "train",
        "licence": "CC0-1.0",
        "train_shipped_weights": "yes",
        "source": "cinegan data synthetic",
        "moving": f"{moving.mean():.3f}",
        "speed": f"{speed:.4f}",
        "note": scene.kind,
    }
