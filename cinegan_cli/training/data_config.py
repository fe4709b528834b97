"""Settings of `cinegan data`; apart from the work, so that `--help` answers without importing torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cinegan_cli.config import setting


@dataclass(frozen=True)
class VideosConfig:
    """Settings of `cinegan data from-videos`."""

    licence: str | None = setting(
        None, "Licence of the clips, where no manifest.csv beside them (file, licence, source) says it.", metavar="TEXT"
    )
    window: float = setting(2.0, "Seconds over which motion is averaged.", minimum=0.1, maximum=60.0)
    windows: int = setting(3, "Samples of one clip, at most, a window apart.", minimum=1, maximum=1000)
    fps: float | None = setting(
        None, "Frame rate of the clips.  [default: the video's own; 30 for folders]", minimum=1.0, maximum=240.0
    )
    max_side: int = setting(1920, "Longest side of the photos.", minimum=64, maximum=8192)
    flow: Literal["dis", "raft"] = setting(
        "dis", "Optical flow: OpenCV's DIS, or RAFT through torchvision (which you install) with --raft-weights."
    )
    raft_weights: Path | None = setting(
        None, "torchvision's raft_large_*.pth or raft_small_*.pth, for --flow raft.", metavar="FILE"
    )


@dataclass(frozen=True)
class PhotosConfig:
    """Settings of `cinegan data from-photos`."""

    licence: str | None = setting(
        None,
        "Licence of the photos, where no manifest.csv beside them (file, licence, source) says it.",
        metavar="TEXT",
    )
    short_side: int = setting(
        1024, "Shorter side of the photos; larger ones are scaled down.", minimum=64, maximum=8192
    )


@dataclass(frozen=True)
class SyntheticConfig:
    """Settings of `cinegan data synthetic`."""

    count: int = setting(100, "Scenes.", minimum=1, maximum=1_000_000)
    size: int = setting(512, "Longer side, in pixels.", minimum=64, maximum=4096)
    seed: int = setting(0, "Seed of all scenes.", minimum=0, maximum=2**31 - 1)
    clips: bool = setting(False, "Also write clip.mp4 of every scene, 2.5 s at 30 fps.")
