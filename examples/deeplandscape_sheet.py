"""Noise on the move: a sheet of maps and frames for the twelve homographies, and a table of what it keeps.

python examples/deeplandscape_sheet.py --sheet noise.png [--models NAME] [--set manual] [--frames 200]

A row per direction: a map of 16 px at three times, the last also as the release moves it; pictures of the generator
(one with seeded weights by default) at the same times; and one column of the picture over time, the horizon marked.
Columns of the table: the largest departure of a map's std over all frames; the first step by the second; the largest
difference of neighbouring rows at the horizon by the usual one; the loop's longest step by its usual one.
"""

import argparse
import warnings
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cinegan_cli.systems.deeplandscape as dl
from cinegan_cli.models import DeepLandscapeSet, find_deeplandscape, open_bundle
from cinegan_cli.nn.deeplandscape import Generator

HEIGHT = 160  # px of a tile
HORIZON = 0.5
TIMES = (0, 25, 75)  # frames that are shown
SHOWN = 2  # level of the maps that are shown: 16 px


def seeded() -> tuple[Generator, int]:
    """A generator of noise: 128 px, few channels."""
    torch.manual_seed(0)
    generator = Generator(levels=6, style_dim=32, multiplier=1 / 8, mapping_layers=2)
    for name, gain in generator.named_parameters():
        if ".noise" in name:
            nn.init.normal_(gain)
    return generator.eval().requires_grad_(False), 6


def tile(picture: Tensor, title: str) -> np.ndarray:
    """A picture [3, h, w] or map [1, h, w] in [0, 1]: uint8 [HEIGHT, HEIGHT, 3], BGR."""
    pixels = (picture.clamp(0, 1) * 255).round().byte().expand(3, -1, -1).permute(1, 2, 0).numpy()[:, :, ::-1]
    large = cv2.resize(np.ascontiguousarray(pixels), (HEIGHT, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(large, title, (4, HEIGHT - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, thickness, cv2.LINE_AA)
    return large


def grey(level: Tensor) -> Tensor:
    """A map [1, 1, h, w] enlarged smoothly, so that tears show: [1, 128, 128]."""
    return F.interpolate(level, (128, 128), mode="bicubic")[0] * 0.25 + 0.5


def steps(frames: list[list[Tensor]]) -> Tensor:
    """Root mean square change from frame to frame, over all levels but the two coarsest."""
    fine = [torch.cat(level).diff(dim=0).square().mean((1, 2, 3)) for level in list(zip(*frames, strict=True))[2:]]
    return torch.stack(fine).mean(0).sqrt()


def row_of(direction: str, speed: dl.Speed, count: int, draw: dict, paint) -> tuple[np.ndarray, list[float]]:
    """The row of the sheet, and of the table."""
    shifts, maps = dl.wind(direction, speed), draw["dynamic"]
    mover = dl.HomographyMover(maps, shifts, HORIZON)
    frames = [mover(n) for n in range(count + 1)]
    std = torch.stack([torch.stack([level.std() for level in frame]) for frame in frames])
    moved = steps(frames)
    large = F.interpolate(maps[SHOWN], (128, 128), mode="bicubic")
    between = dl.HomographyMover([large], shifts, HORIZON)(25)[0][0, 0].diff(dim=0).square().mean(1).sqrt()
    middle = slice(round(128 * HORIZON) - 6, round(128 * HORIZON) + 6)
    loop = steps([dl.loop_maps(mover, t, 100) for t in range(101)])
    figures = [
        float((std / std[0] - 1).abs().max()),
        float(moved[0] / moved[1]),
        float(between[middle].max() / between.median()),
        float(loop.max() / loop.median()),
    ]
    tiles = [tile(grey(frames[n][SHOWN]), f"{direction} {n}") for n in TIMES]
    tiles.append(tile(dl.warp(large, shifts, HORIZON, TIMES[-1])[0] * 0.25 + 0.5, "release"))
    tiles += [tile(paint(frames[n]), str(n)) for n in TIMES]
    painted = [paint(frames[n]) for n in range(0, 100, 2)]
    slices = torch.stack([picture[:, :, picture.shape[2] // 2] for picture in painted], -1)
    tiles.append(tile(slices, "column, time"))
    return np.hstack(tiles), figures


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sheet", type=Path, default=Path("noise.png"))
    parser.add_argument("--models", help="a set with a generator of DeepLandscape; seeded weights by default")
    parser.add_argument("--set", choices=dl.SPEEDS[:4], default="manual")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--directions", nargs="+", choices=dl.CLOCK, default=list(dl.CLOCK))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.models:
        models = DeepLandscapeSet(open_bundle(find_deeplandscape(arguments.models)))
        generator, levels = models.generator(), models.levels
    else:
        generator, levels = seeded()
    random = torch.Generator().manual_seed(0)
    shapes = [(1, 1, 4 << i, 4 << i) for i in range(levels)]
    draw = {kind: [torch.randn(shape, generator=random) for shape in shapes] for kind in ("static", "dynamic")}
    w = generator.mapping(torch.randn(1, generator.style_dim, generator=random))[:, None, None]
    w = w.expand(-1, levels, 2, -1)
    first = generator.synthesize(w, **draw)
    gain = 1.0 if arguments.models else 0.25 / float(first.std())

    def paint(maps: list[Tensor]) -> Tensor:
        made = generator.synthesize(w, draw["static"], maps)
        return ((made - (0 if arguments.models else first.mean())) * gain / (1 + bool(arguments.models)) + 0.5)[0]

    print("| direction | std | first step | horizon | loop |\n|---|---|---|---|---|")
    rows = []
    for direction in arguments.directions:
        row, figures = row_of(direction, arguments.set, arguments.frames, draw, paint)
        print(f"| {direction} |", " | ".join(f"{figure:.3g}" for figure in figures), "|", flush=True)
        rows.append(row)
    cv2.imwrite(str(arguments.sheet), np.vstack(rows))


if __name__ == "__main__":
    main()
