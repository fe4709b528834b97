"""yuv420: by hand, native = float64 for every colour, borders and odd sizes, threads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cinegan_cli.ops import yuv420
from tests.backends import BACKENDS, needs_native


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_by_hand(colour: tuple[int, int, int], expected: tuple[int, int, int], backend: str) -> None:
    frame = torch.tensor(colour, dtype=torch.uint8).expand(4, 6, 3)
    y, blue, red = yuv420(frame, backend=backend).split([24, 6, 6])  # type: ignore[arg-type]
    assert [plane.unique().tolist() for plane in (y, blue, red)] == [[value] for value in expected]


def _differs(frame: Tensor) -> tuple[float, int]:
    """How many values differ between the backends, as a share, and by how much at most."""
    difference = (yuv420(frame, backend="native").int() - yuv420(frame, backend="reference").int()).abs()
    return float((difference > 0).float().mean()), int(difference.max())


@needs_native
def test_every_colour() -> None:
    """Luma as in whole numbers, halves up; chroma within 1e-5 of a half may go either way (seen: one in 98,304)."""
    green, blue = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    for red in range(0, 256, 5):
        frame = torch.stack([torch.full_like(green, red), green, blue], dim=-1).to(torch.uint8)
        exact = 16 + (219 * (2126 * red + 7152 * green + 722 * blue) + 1275000) // 2550000
        assert torch.equal(yuv420(frame, backend="native")[: 256 * 256].int(), exact.flatten().int())
        assert _differs(frame)[0] < 1e-4


@needs_native
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 9), (7, 1), (33, 70), (18, 131), (100, 64), (0, 4), (4, 0)])
def test_native_equals_reference(size: tuple[int, int], generator: torch.Generator) -> None:
    frame = torch.randint(0, 2, (*size, 3), generator=generator, dtype=torch.uint8) * 255  # what overshoots most
    assert yuv420(frame, backend="native").shape == yuv420(frame, backend="reference").shape
    if frame.numel():
        assert _differs(frame) == (0.0, 0)
        noise = torch.randint(0, 256, (*size, 3), generator=generator, dtype=torch.uint8)
        assert _differs(noise.transpose(0, 1))[1] <= 1  # not contiguous


@needs_native
def test_same_bits_for_any_threads(generator: torch.Generator, set_threads: Callable[[int], None]) -> None:
    frame = torch.randint(0, 256, (85, 90, 3), generator=generator, dtype=torch.uint8)
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        results.append(yuv420(frame, backend="native"))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="frame must be uint8, got float32"):
        yuv420(torch.zeros(2, 2, 3))
    with pytest.raises(ValueError, match=r"frame must be of shape \[H, W, 3\], got \[3, 2, 2\]"):
        yuv420(torch.zeros(3, 2, 2, dtype=torch.uint8))
