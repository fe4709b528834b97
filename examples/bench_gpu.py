"""On a machine with an NVIDIA GPU: builds the CUDA extension, checks the operators, and times them.

python examples/bench_gpu.py [--no-build] [--repeat N]

Prints a markdown table: device, shape, dtype, time, bytes that must move over time, and its share of the bandwidth of a
device-to-device copy measured in the same run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parent.parent
SHAPES = ((1, 3, 1024, 1024), (8, 3, 1024, 1024), (1, 64, 512, 512), (1, 256, 128, 128), (4, 512, 64, 64))
Run = Callable[[str, list[Tensor]], tuple[Tensor, ...]]  # (backend, inputs) to results
COPY_BYTES = 1 << 30
TOLERANCE = 2e-5  # float32, of the largest value; atomics add in any order


def build() -> None:
    """`setup.py build_ext --inplace` with CUDA; needs nvcc, pybind11 and ninja."""
    environment = {**os.environ, "CINEGAN_CUDA": "1"}
    subprocess.run([sys.executable, "setup.py", "build_ext", "--inplace"], cwd=ROOT, env=environment, check=True)


def smooth(shape: tuple[int, int, int, int], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Features, a flow's displacement (about 1 % of the picture), weights."""
    b, _, h, w = shape
    coarse = torch.randn(b, 2, 8, 8, generator=generator) * 0.01 * max(h, w)
    displacement = F.interpolate(coarse, size=(h, w), mode="bicubic", align_corners=False)
    return torch.randn(shape, generator=generator), displacement, torch.rand(b, 1, h, w, generator=generator) + 0.1


def median_ms(function: Callable[[], object], repeat: int) -> float:
    """Median of device times, the second-level cache flushed between runs."""
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")
    events = []
    for _ in range(repeat + 3):
        flush.zero_()
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        events.append((start, end))
    torch.cuda.synchronize()
    times = sorted(start.elapsed_time(end) for start, end in events[3:])
    return times[len(times) // 2]


def copy_gbs(repeat: int) -> float:
    """Bytes read and written per nanosecond by a large copy on the device."""
    source = torch.ones(COPY_BYTES // 4, device="cuda")
    target = torch.empty_like(source)
    return 2 * COPY_BYTES / median_ms(lambda: target.copy_(source), repeat) / 1e6


def error_of(run: Run, inputs: list[Tensor]) -> float:
    """The largest difference of results and gradients between native and reference, over the largest value."""
    results = []
    for backend in ("native", "reference"):
        leaves = [value.detach().clone(memory_format=torch.preserve_format).requires_grad_() for value in inputs]
        outs = run(backend, leaves)
        generator = torch.Generator().manual_seed(1)
        cotangents = [torch.randn(out.shape, generator=generator).to(out.device) for out in outs]
        results.append([*(out.detach() for out in outs), *torch.autograd.grad(outs, leaves, cotangents)])
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*results, strict=True))


def bench(name: str, run: Run, inputs: list[Tensor], touched: int, copy: float, repeat: int) -> None:
    """One row forward, one row backward."""
    error = error_of(run, inputs)
    if error > 5 * TOLERANCE:
        raise SystemExit(f"{name}: native and reference differ by {error} of the largest value")
    shape = "x".join(map(str, inputs[0].shape))
    channels_last = inputs[0].is_contiguous(memory_format=torch.channels_last)
    layout = "channels_last" if channels_last and inputs[0].shape[1] > 1 else "contiguous"
    leaves = [value.detach().requires_grad_() for value in inputs]
    outs = run("native", leaves)
    cotangents = [torch.ones_like(out) for out in outs]
    rows = {
        "forward": (lambda: run("native", inputs), touched),
        "backward": (lambda: torch.autograd.grad(outs, leaves, cotangents, retain_graph=True), 2 * touched),
    }
    for way, (function, moved) in rows.items():
        ms = median_ms(function, repeat)
        gbs = moved / ms / 1e6
        print(
            f"| {torch.cuda.get_device_name()} | {name} {way} | {shape} {layout} | float32 | {ms:.3f} | {gbs:.0f} | "
            f"{gbs / copy:.0%} | {error:.0e} |"
        )


def bench_frame(copy: float, repeat: int, size: int = 1024, grid: int = 512) -> None:
    """The operators of a frame, forward only, and all of them together for 120 frames."""
    from cinegan_cli.ops import advect, composite, joint_sample, splat

    generator = torch.Generator().manual_seed(0)
    image = torch.rand(3, size, size, generator=generator).cuda()
    flow = smooth((1, 1, grid, grid), generator)[1][0].cuda()  # [2, grid, grid]
    origins = torch.stack([flow, -flow])
    photo = (image.permute(1, 2, 0) * 255).byte().contiguous()
    alpha, ones = torch.ones(size, size, device="cuda"), torch.ones(1, 1, grid, grid, device="cuda")
    runs: dict[str, tuple[Callable[..., Tensor], int]] = {
        "joint_sample": (lambda how: joint_sample(image, origins, 0.5, backend=how), 2 * 12 * size**2 + 16 * grid**2),
        "advect": (lambda how: advect(flow, flow, backend=how), 24 * grid**2),
        "composite": (lambda how: composite(photo, alpha, image, image.flip(2), backend=how), 34 * size**2),
    }
    for name, (run, moved) in runs.items():
        error = float((run("native").float() - run("reference").float()).abs().max())
        if error > (1 if name == "composite" else 1e-3):
            raise SystemExit(f"{name}: native and reference differ by {error}")
        ms = median_ms(lambda run=run: run("native"), repeat)
        gbs = moved / ms / 1e6
        where = f"{grid}x{grid}" if name == "advect" else f"3x{size}x{size}"
        print(
            f"| {torch.cuda.get_device_name()} | {name} | {where} | float32 | {ms:.3f} | {gbs:.0f} | "
            f"{gbs / copy:.0%} | {error:.0e} |"
        )

    def frames() -> None:
        field = flow
        for t in range(120):
            field = advect(flow / 120, field)
            votes, count = splat(field[None], field[None], ones)
            offsets = (votes / -count.clamp(min=1e-3))[0]
            warped = joint_sample(image, torch.stack([offsets, -offsets]), t / 120)
            composite(photo, alpha, warped, image)

    ms = median_ms(frames, 5)
    print(f"\n120 frames of {size}x{size} (advect, splat, joint_sample, composite): {ms:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-build", action="store_true", help="use the extension that is there")
    parser.add_argument("--repeat", type=int, default=30)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device")
    if not options.no_build:
        build()
        sys.path.insert(0, str(ROOT))
    from cinegan_cli.ops import backend_info, sample, splat

    copy = copy_gbs(options.repeat)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {backend_info()}; copy {copy:.0f} GB/s\n")
    print("| device | op | shape | dtype | ms | GB/s | of copy | error |\n|---|---|---|---|---|---|---|---|")
    generator = torch.Generator().manual_seed(0)
    for shape in SHAPES:
        features, displacement, weight = (value.cuda() for value in smooth(shape, generator))
        h, w = shape[2:]
        pixels = torch.stack(torch.meshgrid(torch.arange(float(w)), torch.arange(float(h)), indexing="xy"))[None]
        positions = pixels.cuda() + displacement
        for layout in (torch.contiguous_format, torch.channels_last):
            source = features.contiguous(memory_format=layout)
            touched = 4 * (2 * features.numel() + displacement.numel() + 2 * weight.numel())
            bench(
                "splat",
                lambda backend, leaves: splat(*leaves, backend=backend),
                [source, displacement, weight],
                touched,
                copy,
                options.repeat,
            )
            touched = 4 * (2 * features.numel() + positions.numel())
            for kernel in ("lanczos3", "bicubic", "omoms"):
                bench(
                    f"sample {kernel}",
                    lambda backend, leaves, k=kernel: (sample(*leaves, kernel=k, backend=backend),),
                    [source, positions],
                    touched,
                    copy,
                    options.repeat,
                )
    bench_frame(copy, options.repeat)


if __name__ == "__main__":
    main()
