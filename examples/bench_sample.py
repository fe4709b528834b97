"""Compares the kernels of sample on real photos, and times sample, joint_sample and composite on the CPU.

python examples/bench_sample.py PHOTO... [--threads N] [--repeat N]

Quality: each photo is averaged over 4 x 4 blocks; the same with the blocks shifted by 1 to 3 pixels is the truth at
1/4 to 3/4 px. `error` is the PSNR of the sampled picture from it, `texture` its mean |Laplacian| over the true one's.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timing import alternate
from torch import Tensor
from torch.nn import functional as F

from cinegan_cli.ops import backend_info, composite, joint_sample, omoms_coefficients, sample

STEPS = 4  # shifts are multiples of 1 / STEPS px
MARGIN = 8  # px at the border that do not count
SIZE, GRID = 1024, 512  # of the timed picture and its motion


def texture(picture: Tensor) -> float:
    """Mean |Laplacian| of [1, C, H, W]."""
    rows = picture[..., 2:, 1:-1] + picture[..., :-2, 1:-1]
    columns = picture[..., 1:-1, 2:] + picture[..., 1:-1, :-2]
    return float((4 * picture[..., 1:-1, 1:-1] - rows - columns).abs().mean())


def quality(photo: Tensor, gather: Callable[[Tensor, Tensor], Tensor]) -> tuple[float, float]:
    """(PSNR in dB, texture ratio) over all shifts but none; `photo` [1, 3, H, W]."""
    fine = photo[..., : photo.shape[2] // STEPS * STEPS, : photo.shape[3] // STEPS * STEPS]
    coarse = F.avg_pool2d(fine, STEPS)
    h, w = coarse.shape[2:]
    pixels = torch.stack(torch.meshgrid(torch.arange(float(w)), torch.arange(float(h)), indexing="xy"))[None]
    inner = (..., slice(MARGIN, h - MARGIN), slice(MARGIN, w - MARGIN))
    errors, textures = [], []
    for i in range(1, STEPS * STEPS):
        dx, dy = i % STEPS, i // STEPS
        true = F.avg_pool2d(fine.roll((-dy, -dx), (2, 3)), STEPS)[inner]
        moved = gather(coarse, pixels + torch.tensor([dx / STEPS, dy / STEPS]).view(1, 2, 1, 1))[inner]
        errors.append(float((moved - true).square().mean()))
        textures.append(texture(moved) / texture(true))
    return -10 * math.log10(sum(errors) / len(errors)), sum(textures) / len(textures)


def bilinear(image: Tensor, positions: Tensor) -> Tensor:
    """For comparison: what `F.grid_sample` does."""
    size = torch.tensor(image.shape[:1:-1]).view(1, 2, 1, 1) - 1
    unit = (2 * positions / size - 1).permute(0, 2, 3, 1)
    return F.grid_sample(image, unit, mode="bilinear", padding_mode="reflection", align_corners=True)


def study(paths: list[Path]) -> None:
    photos = [
        torch.from_numpy(np.array(Image.open(path).convert("RGB"), dtype=np.float32) / 255).permute(2, 0, 1)[None]
        for path in paths
    ]
    print(f"{len(photos)} photos\n| kernel | PSNR dB | texture |\n|---|---|---|")
    gathers: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "lanczos3": lambda image, at: sample(image, at, kernel="lanczos3"),
        "bicubic": lambda image, at: sample(image, at, kernel="bicubic"),
        "omoms": lambda image, at: sample(omoms_coefficients(image[0])[None], at, kernel="omoms"),
        "bilinear": bilinear,
    }
    for name, gather in gathers.items():
        figures = [quality(photo, gather) for photo in photos]
        psnr, kept = (sum(column) / len(figures) for column in zip(*figures, strict=True))
        print(f"| {name} | {psnr:.2f} | {kept:.3f} |")


def timings(repeat: int) -> None:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 4, 8, 8, generator=generator) * 8
    origins = F.interpolate(coarse, size=(GRID, GRID), mode="bicubic", align_corners=False).view(2, 2, GRID, GRID)
    image = torch.rand(3, SIZE, SIZE, generator=generator)
    gain, base = torch.ones(GRID, GRID), torch.rand(3, SIZE // 4, SIZE // 4, generator=generator)
    pixels = torch.stack(torch.meshgrid(torch.arange(float(SIZE)), torch.arange(float(SIZE)), indexing="xy"))[None]
    positions = pixels + 2 * F.interpolate(origins[:1], size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    photo = (image.permute(1, 2, 0) * 255).byte().contiguous()
    alpha = torch.rand(SIZE, SIZE, generator=generator)
    runs: dict[str, Callable[[str], object]] = {}
    for kernel in ("lanczos3", "bicubic", "omoms"):
        options = {"kernel": kernel}
        runs[f"sample {kernel}"] = lambda b, o=options: sample(image[None], positions, **o, backend=b)
        runs[f"joint_sample {kernel}"] = lambda b, o=options: joint_sample(
            image, origins, 0.4, gain=gain, base=base, **o, backend=b
        )
    runs["composite"] = lambda b: composite(photo, alpha, image.flip(2), image, backend=b)
    print(f"\n3x{SIZE}x{SIZE}, grid {GRID}x{GRID}, {backend_info().simd}, {torch.get_num_threads()} threads")
    print("| op | reference ms | native ms | times faster | error |\n|---|---|---|---|---|")
    for name, run in runs.items():
        error = float((run("native").float() - run("reference").float()).abs().max())  # type: ignore[attr-defined]
        runs_of = [lambda r=run, b=b: r(b) for b in ("reference", "native")]
        (reference, native), faster = alternate(*runs_of, rounds=max(3, repeat // 3))
        print(f"| {name} | {reference} | {native} | {faster} | {error:.0e} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.photos:
        study(options.photos)
    timings(options.repeat)


if __name__ == "__main__":
    main()
