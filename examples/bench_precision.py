"""What half floats win and lose in a set of models.

python examples/bench_precision.py [PHOTO] [--models compact] [--precision bfloat16] [--threads 1] [--rounds 3]

Times in float32 and in the other precision, in turn; and how far the pictures are from float32's, in [0, 1], without
the residual band: when the encoder alone, the generator alone, or both are narrowed, and in the look "sunset", with
the same codes for both. The frame of --mode deep warps one feature and makes the rest from it (--warp-levels first).
The last line is the largest difference of frame 0, all bands and the residual, from the photo, in levels.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from timing import Timing, alternate
from torch import Tensor

from cinegan_cli.config import InversionConfig, PhotoConfig, Precision, RenderConfig
from cinegan_cli.measure import psnr
from cinegan_cli.models import Models, open_models
from cinegan_cli.precision import narrowed, narrowed_for
from cinegan_cli.stages.bands import collapse
from cinegan_cli.stages.look import parse_target
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.systems.stylecinegan import (
    Inversion,
    as_picture,
    at_generator_size,
    deep_frames,
    encoder_input,
    generator_bands,
    grid_of,
    reconstruction,
    see,
    styled_inversion,
    target_codes,
)
from cinegan_cli.types import Latents, Motion, Photo, silent

CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path, nargs="?", default=Path(__file__).with_name("harbour.jpg"))
    parser.add_argument("--models", default="compact", help="a name or a bundle")
    parser.add_argument("--precision", choices=("auto", "bfloat16", "float16"), default="bfloat16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    photo, models = read_photo(options.photo, PhotoConfig()), open_models(options.models)
    both: tuple[Precision, Precision] = ("float32", options.precision)
    seen = [see(photo, models, InversionConfig(precision=p), device=CPU, vote=False, progress=silent) for p in both]
    codes = target_codes(photo, None, parse_target("sunset"), seen[0], device=CPU)
    with torch.inference_mode():
        times = timings(photo, models, seen[0].latents, both, options.rounds)
        print(f"{options.models}, {photo.size[0]} x {photo.size[1]}, {options.threads} thread(s)\n")
        print(f"| | float32 ms | {options.precision} ms | times faster | PSNR, dB | largest difference, levels |")
        print("|---|---|---|---|---|---|")
        for name, (first, second) in pictures(photo, models, seen, codes).items():
            time = "{} | {} | {:.2f}".format(*times[name]) if name in times else "| |"
            off = 255 * float((first - second).abs().max())
            print(f"| {name} | {time} | {psnr(first, second):.1f} | {off:.2f} |")
        print("| a frame of --mode deep | {} | {} | {:.2f} | | |".format(*times["deep"]))
        whole = collapse(generator_bands(seen[1].contributions, photo.pixels))
        print(f"\nframe 0: {255 * float((whole - photo.pixels).abs().max()):.5f}")


def timings(
    photo: Photo, models: Models, latents: Latents, both: tuple[Precision, Precision], rounds: int
) -> dict[str, tuple[Timing, Timing, float]]:
    """Pass → its times in both precisions, and the median ratio."""
    generator, encoder = models.generator(), models.encoder()
    picture = encoder_input(at_generator_size(photo.pixels, generator), grid_of(*photo.size), encoder.pixels_per_cell)
    streams = {p: deep_stream(photo, models, latents, p, 3 * rounds + 2) for p in both}

    def encode(precision: Precision) -> object:
        with narrowed(precision, CPU):
            return encoder(picture)

    def generate(precision: Precision) -> object:
        with narrowed_for(generator, precision, CPU):
            return generator.features_from(latents.feature, latents.w_plus, latents.index)

    for stream in streams.values():
        next(stream)  # frame 0 is not warped
    passes = {"encoder": encode, "generator": generate, "deep": lambda precision: next(streams[precision])}
    found = {}
    for name, run in passes.items():
        (first, second), ratio = alternate(*(lambda run=run, p=p: run(p) for p in both), rounds=rounds)
        found[name] = (first, second, ratio.median)
    return found


def deep_stream(photo: Photo, models: Models, latents: Latents, precision: Precision, frames: int) -> Iterator[Tensor]:
    y, x = torch.meshgrid(torch.arange(256) / 256, torch.arange(256) / 256, indexing="ij")
    motion = Motion(8 * torch.stack([torch.sin(3 * y) + 0.2, torch.cos(2 * x)]), "given")
    size = (photo.size[1], photo.size[0])
    loop = RenderConfig(seconds=frames / 30, warp="splat", blend="linear")
    config = InversionConfig(mode="deep", warp_levels="first", precision=precision)
    return deep_frames(models.generator(), latents, motion, None, size=size, loop=loop, inversion=config)


def pictures(photo: Photo, models: Models, seen: list[Inversion], codes: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """What is narrowed → the picture in float32 and in the other precision."""
    size, generator = (photo.size[1], photo.size[0]), models.generator()

    def made(latents: Latents, precision: Precision) -> Tensor:
        with narrowed_for(generator, precision, CPU):
            rgb = generator.features_from(latents.feature, latents.w_plus, latents.index).rgb
        return as_picture(generator.sum_rgb(rgb), size).clamp(0, 1)

    def look(inversion: Inversion) -> Tensor:
        return styled_inversion(photo.pixels, inversion, codes, 1.0)[0]

    whole = reconstruction(seen[0], size), reconstruction(seen[1], size)
    return {
        "encoder": (whole[0], made(seen[1].latents, "float32")),
        "generator": (whole[0], made(seen[0].latents, seen[1].precision)),
        "both": whole,
        "a look": (look(seen[0]), look(seen[1])),
    }


if __name__ == "__main__":
    main()
