"""Time per frame of the paper's literal path (--mode deep) and of its RGB contributions, at 1024², seeded weights.

python examples/bench_deep.py [--frames 4] [--backend reference]

Both splat with the paper's linear blend; the difference is what is carried: 512 … 32 channels a level, or 3. The last
column compares the pictures inside (16 px from the border, where the generator's upsampling reads zeros). With
--backend reference the deep path splats in pure torch, as the release does.
"""

import argparse
import time
from unittest import mock

import torch

from cinegan_cli import ops
from cinegan_cli.config import InversionConfig, RenderConfig
from cinegan_cli.nn.stylegan2 import Generator, GeneratorConfig
from cinegan_cli.ops import splat
from cinegan_cli.stages.warp import warped_frames
from cinegan_cli.systems.stylecinegan import deep_frames, generator_bands, zero_mean
from cinegan_cli.types import Latents, Motion

SIDE = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--backend", choices=("auto", "reference"), default="auto", help="of the deep path's splats")
    options = parser.parse_args()
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig()).eval().requires_grad_(False)
    latents = Latents(torch.randn(1, 18, 512), torch.randn(1, 512, 64, 64), 10)
    y, x = torch.meshgrid(torch.arange(512) / 512, torch.arange(512) / 512, indexing="ij")
    motion = Motion(15 * torch.stack([torch.sin(3 * y) + 0.2, torch.cos(2 * x)]), "given")
    paper = RenderConfig(seconds=(options.frames + 1) / 30, warp="splat", blend="linear")
    default = RenderConfig(seconds=(options.frames + 1) / 30)
    region = torch.ones(SIDE, SIDE, dtype=torch.uint8)
    with torch.inference_mode():
        features = generator.features_from(latents.feature, latents.w_plus, 10)
        contributions = tuple(band[0] for band in features.rgb)
        bands = generator_bands(contributions, torch.zeros(3, SIDE, SIDE), residual=False)
        picture = 0.5 * generator.sum_rgb(features.rgb)[0] + 0.5
        whole = zero_mean(generator_bands(contributions, picture))
        del features
        runs = {
            "deep": lambda: deep_frames(
                generator,
                latents,
                motion,
                None,
                size=(SIDE, SIDE),
                loop=paper,
                inversion=InversionConfig(mode="deep", precision="float32"),
            ),
            "bands, the paper's blend": lambda: warped_frames(picture, bands, motion, region, paper),
            "bands, the default": lambda: warped_frames(picture, whole, motion, region, default),
        }
        last, times = {}, {}
        for name, frames in runs.items():
            chosen = "reference" if name == "deep" else "auto"
            chosen = chosen if options.backend == "reference" else "auto"
            with mock.patch.object(ops, "splat", lambda *a, chosen=chosen: splat(*a, backend=chosen)):
                stream = frames()
                next(stream)  # frame 0 is not warped; contrasts are measured before it
                start = time.perf_counter()
                for frame in stream:
                    last[name] = frame
                times[name] = (time.perf_counter() - start) / options.frames
    inner = (slice(None), slice(16, -16), slice(16, -16))
    scale = float(torch.stack([band.abs().max() for band in contributions]).max())
    print("| path | ms a frame | times faster | largest difference over the scale |")
    print("|---|---|---|---|")
    for name, seconds in times.items():
        off = float((last[name] - last["deep"])[inner].abs().max()) / scale
        shown = "" if name == "bands, the default" else f"{off:.0e}"
        print(f"| {name} | {1e3 * seconds:.0f} | {times['deep'] / seconds:.0f} | {shown} |")


if __name__ == "__main__":
    main()
