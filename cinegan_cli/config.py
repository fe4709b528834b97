"""Every setting of a run, once: its default, its help text, its choices. The command line and the API are made from it.

Nested frozen dataclasses; nothing here imports torch, so that `--help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FRAME_RATE_OF_FILES = 30.0  # motion files hold px per frame at this rate (`spec/stylecinegan.md`, release)


def setting(default: Any, help: str, **extra: Any) -> Any:
    """A dataclass field with its help text; `extra` goes to the command line (metavar, minimum, maximum, ...)."""
    return field(default=default, metadata={"help": help, **extra})


@dataclass(frozen=True)
class PhotoConfig:
    """How the photo is read."""

    max_side: int = setting(
        3840,
        "Longest side of the output, in pixels; larger photos are scaled down.",
        minimum=16,
        maximum=16384,
    )
    aspect: str | None = setting(None, "Aspect ratio of the output, such as 9:16 or 16:9.", metavar="W:H")
    fit: Literal["crop", "pad"] = setting(
        "crop", "How a photo is brought to --aspect: cut the sides, or add background."
    )
    background: str = setting("#ffffff", "Colour behind transparent pixels and --fit pad.", metavar="#RRGGBB")


@dataclass(frozen=True)
class MaskConfig:
    """What moves."""

    mask: Path | None = setting(
        None, "Picture of what moves: white moves, black stays, grey moves slower.", metavar="FILE"
    )
    freeze: Path | None = setting(
        None, "Picture of what must stay still (white); it wins over the mask.", metavar="FILE"
    )
    move: Literal["sky", "water", "sky+water"] = setting("sky+water", "What to animate when no --mask is given.")


@dataclass(frozen=True)
class MotionConfig:
    """Where it moves, and how fast."""

    motion: Path | None = setting(
        None, "Motion field (.npy, .npz, .flo), px per frame at 30 fps on its own grid.", metavar="FILE"
    )
    arrow: tuple[tuple[float, float, float, float], ...] = setting(
        (),
        "Motion at a place, repeatable: the arrow is one second's travel, in photo pixels.",
        metavar="X0,Y0,X1,Y1",
    )
    anchor: tuple[tuple[float, float], ...] = setting(
        (), "Point that stays still, repeatable, in photo pixels.", metavar="X,Y"
    )
    hints: Path | None = setting(None, "Arrows drawn in labelme (.json); added to those of --arrow.", metavar="FILE")
    direction: str | None = setting(
        None,
        "One direction for all that moves: left, right, up, down, or an angle such as 210deg (0 is right, 90 up).",
        metavar="DIR",
    )
    speed: float = setting(1.0, "Factor on the speed.", minimum=0.0, maximum=20.0)


@dataclass(frozen=True)
class LoopConfig:
    """How the frames are made."""

    seconds: float = setting(4.0, "Length of one cycle.", minimum=0.1, maximum=120.0)
    fps: float = setting(
        30.0,
        "Frames per second; never changes the speed or the length of the cycle.",
        minimum=1.0,
        maximum=240.0,
    )
    loop: Literal["flow", "pingpong", "crossfade"] = setting(
        "flow",
        "How the cycle closes: joint splatting, there and back, or a dissolve from its end to its start.",
    )
    warp: Literal["coordinates", "splat", "rgb", "backward"] = setting(
        "coordinates",
        "Splat where pixels come from and sample sharply there; or the paper's band splat and its ablations.",
    )
    blend: Literal["contrast", "linear"] = setting(
        "contrast", "Keep the contrast of both directions, or average them (paper)."
    )
    fill: Literal["smooth", "paper"] = setting(
        "smooth", "Holes: from around, or 7x7 median and Telea inpainting (paper)."
    )

    @property
    def frames(self) -> int:
        """N, the number of frames in one cycle (at least 2)."""
        return max(2, round(self.seconds * self.fps))


@dataclass(frozen=True)
class VideoConfig:
    """What is written."""

    out: tuple[Path, ...] = setting(
        (),
        "Output: .mp4, .webm, .gif, .webp, .apng, or a folder pattern such as frames/%04d.png. Repeatable.",
        metavar="FILE",
    )
    overwrite: bool = setting(False, "Replace outputs that exist.")
    quality: int = setting(80, "Quality of lossy outputs, 1 to 100.", minimum=1, maximum=100)
    max_bytes: str | None = setting(
        None, "Largest size of each video file, such as 5MB; quality is lowered to fit.", metavar="SIZE"
    )
    repeat: int = setting(1, "Cycles to write, for players that cannot loop.", minimum=1, maximum=1000)
    preset: Literal["web", "wallpaper", "gif", "story"] | None = setting(
        None, "Settings for a destination; options given win over it."
    )


@dataclass(frozen=True)
class RunConfig:
    """How the run behaves."""

    device: Literal["auto", "cpu", "cuda", "mps"] = setting("auto", "Where to compute.")
    threads: int | None = setting(None, "CPU threads; all of them by default.", minimum=1, maximum=1024)
    seed: int = setting(
        0, "Seed of everything random; the same seed gives the same loop.", minimum=0, maximum=2**31 - 1
    )
    strict: bool = setting(
        False, "Fail (status 7) instead of going on when the mask is doubtful or the loop is not clean."
    )


@dataclass(frozen=True)
class Config:
    """One run of `animate`, whole."""

    photo: PhotoConfig = PhotoConfig()
    mask: MaskConfig = MaskConfig()
    motion: MotionConfig = MotionConfig()
    loop: LoopConfig = LoopConfig()
    video: VideoConfig = VideoConfig()
    run: RunConfig = RunConfig()
