"""Settings of `cinegan evaluate` that no other command has. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cinegan_cli.config import setting

ARROWS = "arrows.json"  # in a data folder: arrows drawn into its photos


@dataclass(frozen=True)
class EvaluateConfig:
    """What is compared with what."""

    max_side: int = setting(
        640, "Longest side at which clips are compared; of --look, of the loops.", minimum=64, maximum=8192
    )
    fps: float | None = setting(
        None, "Frame rate of the clips.  [default: the video's own; 30 for folders]", minimum=1.0, maximum=240.0
    )
    compare: float = setting(
        1.0,
        "Seconds over which frames are compared with the clip's; later a loop has to turn back.",
        minimum=0.05,
        maximum=60.0,
    )
    window: float = setting(
        2.0, "Seconds at the start of a clip over which its motion is averaged.", minimum=0.1, maximum=60.0
    )
    masks: Path | None = setting(
        None, "What really moves, instead of measuring it: a picture, or a folder of NAME.png.", metavar="PATH"
    )
    motions: Path | None = setting(
        None, "The real motion, instead of measuring it: a file, or a folder of NAME.npy (.npz, .flo).", metavar="PATH"
    )
    predicted: bool = setting(
        False,
        "Animate with the mask and motion found in the first frame, its speed brought to the mean of the clips, "
        "instead of the clip's own.",
    )
    frames: Path | None = setting(
        None,
        "Loops made elsewhere, compared as well, at the clips' frame rate: a video, a folder of frames, or a folder of "
        "NAME.*",
        metavar="PATH",
    )
    lpips: tuple[Path, ...] = setting(
        (),
        "Weights for LPIPS: torchvision's AlexNet or VGG-16, and the heads. Repeatable; none leaves it out.  "
        "[default: what `cinegan models import` installed]",
        metavar="FILE",
    )
    fid: Path | None = setting(None, "Inception network for FID, as TorchScript.", metavar="FILE")
    fvd: Path | None = setting(None, "I3D network for FVD, as TorchScript: of --table dl-animation.", metavar="FILE")
    repo_compatible: bool = setting(
        False, "Tables of DeepLandscape: scale the figures as its release does, slips included."
    )
    winds: int = setting(2, "Directions of the wind of dl-animation, evenly around the clock.", minimum=1, maximum=12)
    samples: int = setting(100, "Pictures that dl-generation draws.", minimum=2, maximum=1000000)
    truncation: float = setting(
        1.0, "How far the styles of dl-generation are from the mean one; 1 is all the way.", minimum=0.0, maximum=1.0
    )
    split: str = setting("test", "Photos of a data folder (manifest.csv) that are measured on.", metavar="NAME")
    count: int | None = setting(
        None, "Photos at most, taken evenly from all there are.  [default: all]", minimum=1, maximum=1000000
    )
    out: Path | None = setting(
        None, "Folder for the sheets of --look; one that a stopped run left is gone on with.", metavar="FOLDER"
    )
    rows: int = setting(
        6, "Photos on a sheet of --look; with 1 each has its own, not scaled down.", minimum=1, maximum=50
    )
    csv: Path | None = setting(None, "Write every row, each clip or photo by itself, as a .csv.", metavar="FILE")
    plot: Path | None = setting(None, "Draw the tables, with each clip or photo as a dot, as a .png.", metavar="FILE")
    overwrite: bool = setting(False, "Replace a --csv or --plot that exists, and the sheets in --out.")
