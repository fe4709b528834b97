"""Times splat on the CPU: native against the torch reference, and its share of the memory bandwidth.

python examples/bench_splat.py [--threads N] [--repeat N]

Reference and native run in turn; figures are medians over the rounds, with the fastest and slowest in brackets, and
"times faster" is the median of the ratios of each round. Every result is checked against the reference first, and for
the same bits with one and two threads.
"""

from __future__ import annotations

import argparse

import torch
from timing import alternate
from torch import Tensor
from torch.nn import functional as F

from cinegan_cli.ops import backend_info, splat

SHAPES = ((1, 3, 1024, 1024), (1, 256, 128, 128), (1, 64, 256, 256), (4, 32, 128, 96))
COPY_BYTES = 256 << 20


def smooth_motion(shape: tuple[int, int, int, int], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Features, a displacement like a flow's (about 1 % of the picture, changing over an eighth of it), weights."""
    b, _, h, w = shape
    coarse = torch.randn(b, 2, 8, 8, generator=generator) * 0.01 * max(h, w)
    displacement = F.interpolate(coarse, size=(h, w), mode="bicubic", align_corners=False)
    features = torch.randn(shape, generator=generator)
    return features, displacement, torch.rand(b, 1, h, w, generator=generator) + 0.1


def copy_gbs(repeat: int) -> float:
    """Bytes read and written per nanosecond by a large copy."""
    source = torch.ones(COPY_BYTES // 4)
    target = torch.empty_like(source)
    (copy,), _ = alternate(lambda: target.copy_(source), rounds=repeat)
    return 2 * COPY_BYTES / copy.median / 1e6


def check(inputs: tuple[Tensor, Tensor, Tensor]) -> float:
    """The largest difference from the reference; stops when it is above 1e-5 or the thread count changes a bit."""
    expected = splat(*inputs, backend="reference")
    actual = splat(*inputs, backend="native")
    error = max(float((a - b).abs().max()) for a, b in zip(actual, expected, strict=True))
    if error > 1e-5:
        raise SystemExit(f"native and reference differ by {error}")
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(splat(*inputs, backend="native"))
    torch.set_num_threads(threads)
    if not all(torch.equal(a, b) for a, b in zip(*results, strict=True)):
        raise SystemExit("one and two threads give different bits")
    return error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    info, copy = backend_info(), copy_gbs(options.repeat)
    print(f"{info.simd}, {info.compiler}, {options.threads} threads; copy {copy:.1f} GB/s")
    print("| shape | layout | dtype | reference ms | native ms | times faster | GB/s | of copy | error |")
    print("|---|---|---|---|---|---|---|---|---|")
    generator = torch.Generator().manual_seed(0)
    for shape in SHAPES:
        features, displacement, weight = smooth_motion(shape, generator)
        for layout in (torch.contiguous_format, torch.channels_last):
            inputs = features.contiguous(memory_format=layout), displacement, weight
            error = check(inputs)
            runs = [lambda b=b, i=inputs: splat(*i, backend=b) for b in ("reference", "native")]
            (reference, native), faster = alternate(*runs, rounds=options.repeat)
            touched = 4 * (2 * features.numel() + displacement.numel() + 2 * weight.numel())
            gbs = touched / native.median / 1e6
            print(
                f"| {'x'.join(map(str, shape))} | {str(layout).removeprefix('torch.')} | float32 | {reference} | "
                f"{native} | {faster} | {gbs:.1f} | {gbs / copy:.0%} | {error:.0e} |"
            )


if __name__ == "__main__":
    main()
