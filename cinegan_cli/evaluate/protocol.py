"""One method on one clip: the figures of `docs/spec/stylecinegan.md`, section 5, and those of the loop, frame by frame.

Static consistency compares frame n with the photo where nothing moves, motion quality with the clip's own frame n
where something does. A pixel outside the area compared is made the same in both pictures and counts nothing: so
figures do not depend on how much of the picture is masked out, as they do when it is painted black.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import Config
from cinegan_cli.errors import InputError
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.measure import WINDOW, Extractor, Features, LoopMeter, LoopReport, ms_ssim, psnr, rmse
from cinegan_cli.models import find_lpips
from cinegan_cli.nn.lpips import SMALLEST_SIDE, Lpips
from cinegan_cli.ops import splat
from cinegan_cli.stages.displacement import displacements
from cinegan_cli.stages.video import Frame, reduced
from cinegan_cli.stages.warp import HOLE
from cinegan_cli.types import Motion

PSNR_LIMIT = 100.0  # dB, what equal pictures count as in a mean
FLICKER_CELLS = 16  # on the long side: single waves average out, brightness does not
HOLE_FRAMES = 4  # holes are counted at 1/4, 1/2 and 3/4 of the cycle

Figures = Mapping[str, float | None]


@dataclass(frozen=True)
class Judges:
    """Networks that the user brought; None leaves their figures out. `notes` say what was used, or is missing."""

    lpips: Lpips | None = None
    extractor: Extractor | None = None
    notes: tuple[str, ...] = ()


def read_judges(config: EvaluateConfig) -> Judges:
    """The networks whose files are given, and LPIPS where it is installed. Raises InputError."""
    lpips, note = find_lpips(config.lpips)
    notes = [note]
    if config.fid is None:
        notes.append("FID: left out, no Inception network given (--fid).")
    return Judges(lpips, None if config.fid is None else Extractor(config.fid), tuple(notes))


@dataclass(frozen=True)
class Scenery:
    """What every method is compared on: the first frame, uint8 [H, W, 3], and what moves in the clip, bool [H, W]."""

    photo: Frame
    moving: NDArray[np.bool_]


def compare(
    frames: Iterator[Frame],
    truth: Iterator[Frame] | None,
    scenery: Scenery,
    judges: Judges,
    *,
    count: int,
    loops: bool = True,
    pool: Features | None = None,
) -> dict[str, float | None]:
    """Figures of a cycle of `count` frames, uint8 [H, W, 3], read once; motion quality over as many as `truth` has.

    Without `truth` there is no motion quality (the clip compared with its own photo); its `loops` is False: it has no
    seam. Frame 0 is the photo for all and is not compared. `pool` takes the features of the moving area for FID.
    A figure is None where it does not exist. Raises InputError when sizes differ.
    """
    meter = LoopMeter(photo=scenery.photo, mask=scenery.moving.astype(np.float32), count=count)
    flicker = _Flicker(scenery.moving)
    photo, kept = as_picture(scenery.photo), torch.from_numpy(scenery.moving)
    static, motion = _Means(), _Means()
    for n, (frame, true) in enumerate(_beside(frames, truth)):
        if frame.shape != scenery.photo.shape:
            raise InputError(f"frames are {_size(frame)} px, the clip {_size(scenery.photo)}; give both one size")
        meter.add(frame)
        flicker.add(frame)
        if n == 0 or (truth is not None and true is None):
            continue
        picture = as_picture(frame)
        static.add(distances(picture, photo, ~kept, judges.lpips))
        if true is not None:
            motion.add(distances(picture, as_picture(true), kept, judges.lpips))
        if pool is not None and judges.extractor is not None:
            pool.add(judges.extractor((picture * kept)[None]))
    both = {f"static_{k}": v for k, v in static.means().items()} | {f"motion_{k}": v for k, v in motion.means().items()}
    return both | loop_figures(meter.report(), loops=loops) | {"flicker": flicker.value()}


def distances(a: Tensor, b: Tensor, kept: Tensor, lpips: Lpips | None) -> dict[str, float | None]:
    """LPIPS, MS-SSIM, RMSE (levels) and PSNR (dB, at most 100) of two pictures [3, H, W] where `kept` bool [H, W]."""
    if not bool(kept.any()):
        return {}
    weight = kept.float()
    a = torch.where(kept, a, b)
    side = min(a.shape[1:])
    inner = kept[5:-5, 5:-5]
    figures: dict[str, float | None] = {"rmse": rmse(a, b, weight), "psnr": min(psnr(a, b, weight), PSNR_LIMIT)}
    if side >= WINDOW and bool(inner.any()):
        figures["ms_ssim"] = _finite(ms_ssim(a, b, weight))
    if lpips is not None and side >= SMALLEST_SIDE:
        with torch.inference_mode():
            figures["lpips"] = _finite(float(lpips(a[None], b[None], weight)))
    return figures


def loop_figures(report: LoopReport, *, loops: bool) -> dict[str, float | None]:
    """Seam, stall and pulse (of a loop that moves), texture and static error: `LoopReport` says what they are."""
    moves = loops and report.typical > 0
    return {
        "seam": report.seam if moves else None,
        "progress": report.progress if moves else None,
        "pulse": report.pulse if moves else None,
        "texture": sum(report.texture) / len(report.texture),
        "static_error": None if report.static_error is None else float(report.static_error),
    }


def hole_rate(motion: Motion, moving: NDArray[np.bool_], config: Config) -> float:
    """Share of the moving area that no vote of the splat reaches, before it is filled, at the size of the motion grid.

    Mean over three moments of the cycle. A joint splat has holes where both directions miss; `coordinates` splats each
    direction by itself and fills each by itself, so there its share counts by weight. What is traced back has none.
    """
    if config.render.warp in ("inverse", "backward"):
        return 0.0
    h, w = motion.velocity.shape[1:]
    inside = torch.from_numpy(cv2.resize(moving.astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST)).bool()
    fps = HOLE_FRAMES / (config.render.frames / config.render.fps)
    shares = []
    for d in displacements(motion, frames=HOLE_FRAMES, fps=fps, loop=config.render.loop):
        empty = [_empty(field, d.pad)[inside] for field in (d.forward, d.backward)]
        if d.weight == 0:
            shares.append(float(empty[0].double().mean()))
        elif config.render.warp == "coordinates":
            first, second = (float(part.double().mean()) for part in empty)
            shares.append((1 - d.weight) * first + d.weight * second)
        else:
            shares.append(float((empty[0] & empty[1]).double().mean()))
    return sum(shares[1:]) / (HOLE_FRAMES - 1) if bool(inside.any()) else 0.0


def as_picture(frame: Frame) -> Tensor:
    """uint8 [H, W, 3] → float32 [3, H, W] in [0, 1]."""
    return torch.from_numpy(np.array(frame)).permute(2, 0, 1).float().div(255)


def mean_figures(rows: Sequence[Figures]) -> dict[str, float | None]:
    """Mean of each figure over the clips that have it; the static error is the largest."""
    keys = dict.fromkeys(key for row in rows for key in row)
    result: dict[str, float | None] = {}
    for key in keys:
        values = [value for row in rows if (value := row.get(key)) is not None]
        worst = max if key == "static_error" else _mean
        result[key] = worst(values) if values else None
    return result


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _empty(field: Tensor, pad: tuple[int, int]) -> Tensor:
    """Where no vote arrives, bool [h, w], for a displacement [2, h + 2 pad, w + 2 pad]."""
    ones = torch.ones_like(field[None, :1])
    votes = splat(ones, field[None], ones)[1][0, 0]
    return votes[pad[0] : votes.shape[0] - pad[0], pad[1] : votes.shape[1] - pad[1]] <= HOLE


def _beside(frames: Iterator[Frame], truth: Iterator[Frame] | None) -> Iterator[tuple[Frame, Frame | None]]:
    """Each frame with the true one, None when there are no more."""
    for frame, true in zip_longest(frames, truth or ()):
        if frame is None:
            return
        yield frame, true


def _size(frame: Frame) -> str:
    return f"{frame.shape[1]}x{frame.shape[0]}"


class _Means:
    """Means of figures over frames."""

    def __init__(self) -> None:
        self._rows: list[Figures] = []  # four numbers a frame

    def add(self, figures: Figures) -> None:
        self._rows.append(figures)

    def means(self) -> dict[str, float | None]:
        return mean_figures(self._rows)


class _Flicker:
    """Root mean square of the second difference over time of the brightness of moving cells, in levels.

    Cells are 1/16 of the long side: texture that drifts through one changes its mean slowly, a pulse of the blend or
    noise from frame to frame does not.
    """

    def __init__(self, moving: NDArray[np.bool_]) -> None:
        height, width = moving.shape
        scale = FLICKER_CELLS / max(height, width)
        self._cells = (max(1, round(width * scale)), max(1, round(height * scale)))
        self._inside = reduced(moving.astype(np.uint8) * np.uint8(255), self._cells) > 127
        self._last: list[NDArray[np.float32]] = []
        self._squares, self._count = 0.0, 0

    def add(self, frame: Frame) -> None:
        grey: Any = cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_RGB2GRAY)
        cells = np.asarray(cv2.resize(grey, self._cells, interpolation=cv2.INTER_AREA), np.float32)
        self._last = [*self._last[-2:], cells.reshape(self._inside.shape)]
        if len(self._last) == 3:
            bend = (self._last[0] - 2 * self._last[1] + self._last[2])[self._inside]
            self._squares += float(np.square(bend, dtype=np.float64).sum())
            self._count += bend.size

    def value(self) -> float | None:
        return float(np.sqrt(self._squares / self._count)) if self._count else None
