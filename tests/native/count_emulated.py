"""What the emulated kernels ask of the memory, for a smooth flow: the table of docs/gpu.md. Run it by emulate.py.

A request is what one instruction of one warp asks for; a sector is 32 bytes that a request touches; an addition is one
lane's atomic. All are per value of the picture (pixels times channels), so that shapes can be compared. Caches are not
emulated: 36 taps are 36 loads.
"""

from __future__ import annotations

import ctypes
import os

from tests.native import emulated_plugin  # noqa: F401  before the package

LIBRARY = ctypes.CDLL(os.environ["CINEGAN_EMULATED"])
LIBRARY.emulated_counts.restype = ctypes.c_char_p

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from cinegan_cli.ops import advect, composite, joint_sample, sample, splat  # noqa: E402

SHAPES = ((3, 48, 96), (32, 8, 64), (13, 8, 64))


def flow(h: int, w: int, generator: torch.Generator) -> Tensor:
    """[1, 2, h, w] px: smooth, up to two pixels."""
    return F.interpolate(torch.randn(1, 2, 3, 4, generator=generator), size=(h, w), mode="bicubic")


def report(op: str, values: int) -> None:
    """Prints a row for each kernel that ran since the last call."""
    for line in LIBRARY.emulated_counts().decode().splitlines():
        name, *numbers = line.split()
        _, blocks, threads, *counts = map(int, numbers)
        cells = [f"{counts[i] / values:.2f}" for i in (0, 1, 3, 4, 6, 7, 8)]
        print(f"| {op} | {name} | {blocks} x {threads // blocks} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    print(
        "| case | kernel | blocks | loads: requests | sectors | stores: requests | sectors | atomics: requests | "
        "sectors | additions |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    generator = torch.Generator().manual_seed(0)
    for c, h, w in SHAPES:
        for layout in (torch.contiguous_format, torch.channels_last):
            case = f"{c}x{h}x{w} {'channels last' if layout == torch.channels_last else 'planes'}"
            features = torch.randn(1, c, h, w, generator=generator).contiguous(memory_format=layout)
            displacement, weight = flow(h, w, generator), torch.rand(1, 1, h, w, generator=generator)
            pixels = torch.stack(torch.meshgrid(torch.arange(float(w)), torch.arange(float(h)), indexing="xy"))[None]
            leaves = [
                t.clone(memory_format=torch.preserve_format).requires_grad_() for t in (features, displacement, weight)
            ]
            LIBRARY.emulated_counts()
            out = splat(*leaves)
            report(case, features.numel())
            torch.autograd.grad(out, leaves, [torch.ones_like(o) for o in out])
            report(case, features.numel())
            leaves = [leaves[0], (pixels + displacement).requires_grad_()]
            read = sample(*leaves)
            report(case, features.numel())
            torch.autograd.grad(read, leaves, torch.ones_like(read))
            report(case, features.numel())
    frame_operators(generator)


def frame_operators(generator: torch.Generator) -> None:
    h, w = 48, 96
    field, image = flow(h // 2, w // 2, generator)[0], torch.rand(3, h, w, generator=generator)
    photo = torch.randint(0, 256, (h, w, 3), generator=generator, dtype=torch.uint8)
    LIBRARY.emulated_counts()
    warped = joint_sample(image, torch.stack([field, -field]), 0.5)
    report(f"3x{h}x{w} planes", image.numel())
    advect(field, field)
    report(f"2x{h // 2}x{w // 2} planes", field.numel())
    composite(photo, torch.ones(h, w), warped, image)
    report(f"3x{h}x{w} planes", image.numel())


if __name__ == "__main__":
    main()
