"""render: by hand, native = the composition of torch operators, untouched bytes, edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cinegan_cli.ops import anchor_of, interleaved, interleaved_coefficients, render
from cinegan_cli.types import RenderPart
from tests.backends import BACKENDS, needs_native

# Native positions are rounded to 1/256 px: white noise changes by up to 3 a pixel. Seen: 2e-3.
TOLERANCE = {"rtol": 0.0, "atol": 8e-3}


def make_inputs(
    generator: torch.Generator,
    size: tuple[int, int] = (37, 150),
    grid: tuple[int, int] = (19, 40),
    levels: int = 3,
    parts: int = 2,
    reach: float = 4.0,
) -> tuple[list[Tensor], list[RenderPart], dict[str, Tensor]]:
    sizes = [size]
    while len(sizes) < levels:
        sizes.insert(0, ((sizes[0][0] + 1) // 2, (sizes[0][1] + 1) // 2))
    pictures = [interleaved(torch.rand(3, *s, generator=generator)) for s in sizes]
    made = []
    for _ in range(parts):
        coarse = torch.randn(2, 2, 2, 3, generator=generator) * reach
        origins = F.interpolate(coarse, size=grid, mode="bilinear", align_corners=True)
        regions = tuple((torch.rand(s, generator=generator) > 0.3).byte() for s in sizes)
        gains = torch.rand(levels, 6, 11, generator=generator)
        made.append(RenderPart(origins, 0.3, regions, gains, torch.rand(5, 7, generator=generator)))
    photo = torch.randint(0, 256, (*size, 3), generator=generator, dtype=torch.uint8)
    alpha = torch.rand(size, generator=generator) * (torch.rand(size, generator=generator) > 0.4)
    still = torch.rand(3, *size, generator=generator)
    return pictures, made, {"photo": photo, "anchor": anchor_of(photo, alpha, still)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(device: str, backend: str) -> None:
    """A ramp in x and y moved by 2 px right and 4 px down, over a photo at half."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    picture = interleaved_coefficients(torch.stack([x, y, x + y]) / 255)
    origins = torch.zeros(2, 2, 12, 16)
    origins[0, 0], origins[1, 1] = 1.0, 2.0  # of a grid half as large
    part = RenderPart(origins.to(device), 0.25, (torch.ones(24, 32, dtype=torch.uint8, device=device),))
    photo = torch.full((24, 32, 3), 100, dtype=torch.uint8)
    anchor = anchor_of(photo, torch.full((24, 32), 0.5), torch.zeros(3, 24, 32))
    out = render(
        [picture.to(device)],
        [part],
        photo=photo.to(device),
        anchor=anchor.to(device),
        backend=backend,  # type: ignore[arg-type]
    ).cpu()
    moved = torch.stack([x + 1.5, y + 1.0, x + y + 2.5], dim=-1)
    expected = (100 + 0.5 * moved + 0.01).round()  # 0.01: no halves
    assert (out[:18, :28] - expected[:18, :28]).abs().max() <= 1
    assert (out[:18, :28] != expected[:18, :28]).float().mean() < 0.4  # halves, either way


@pytest.mark.parametrize("backend", BACKENDS)
def test_still_is_the_picture(device: str, backend: str, generator: torch.Generator) -> None:
    _, (part,), _ = make_inputs(generator, levels=1, parts=1)
    whole = torch.ones_like(part.regions[0]).to(device)
    still = RenderPart(torch.zeros_like(part.origins).to(device), 0.0, (whole,))
    picture = torch.rand(3, *whole.shape, generator=generator)
    level = interleaved_coefficients(picture).to(device)
    out = render([level], [still], backend=backend)  # type: ignore[arg-type]
    torch.testing.assert_close(out.cpu(), picture, rtol=0, atol=2e-6)


SHAPES: list[dict[str, Any]] = [
    {},
    {"levels": 1, "parts": 1},
    {"size": (1, 1), "grid": (1, 1), "levels": 2},
    {"size": (64, 128), "grid": (64, 128), "levels": 4, "parts": 1},  # rows with room between them
    {"size": (9, 7), "grid": (3, 4), "reach": 40.0, "parts": 3},  # several times beyond the border
    {"size": (70, 5), "grid": (80, 3), "levels": 2},  # several strips
]


@needs_native
@pytest.mark.parametrize("shape", SHAPES)
def test_native_equals_reference(
    shape: dict[str, Any], generator: torch.Generator, set_threads: Callable[[int], None]
) -> None:
    pictures, parts, over = make_inputs(generator, **shape)
    parts[0] = replace(parts[0], gains=None)
    expected = render(pictures, parts, backend="reference")
    frame = render(pictures, parts, **over, backend="reference").int()
    for threads in (1, 3):
        set_threads(threads)
        torch.testing.assert_close(render(pictures, parts, backend="native"), expected, **TOLERANCE)
        off = (render(pictures, parts, **over, backend="native").int() - frame).abs()
        assert off.max() <= 2
        assert off.float().mean() < 0.2


@needs_native
def test_same_bits_for_any_threads(generator: torch.Generator, set_threads: Callable[[int], None]) -> None:
    pictures, parts, over = make_inputs(generator, size=(130, 90))
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        results.append(render(pictures, parts, **over, backend="native"))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize("backend", BACKENDS)
def test_photo_bytes_where_nothing_moves(device: str, backend: str, generator: torch.Generator) -> None:
    """Also beside pixels that move, whatever a part says there; and where no pixel moves."""
    pictures, parts, over = make_inputs(generator)
    bad = replace(parts[0], weight=torch.full((1, 1), torch.nan))
    for anchor in (over["anchor"], over["anchor"] * torch.tensor([1, 1, 1, 0], dtype=torch.int16)):
        out = render(
            [picture.to(device) for picture in pictures],
            [_on(part, device) for part in (bad, parts[1])],
            photo=over["photo"].to(device),
            anchor=anchor.to(device),
            backend=backend,  # type: ignore[arg-type]
        ).cpu()
        still = anchor[..., 3] == 0
        assert torch.equal(out[still], over["photo"][still])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_positions_that_are_not_finite_add_nothing(
    device: str, backend: str, value: float, generator: torch.Generator
) -> None:
    _, (part,), _ = make_inputs(generator, levels=1, parts=1)
    origins = torch.zeros_like(part.origins)
    origins[0, 1] = value
    part = replace(part, origins=origins, gains=None, weight=None)
    picture = torch.rand(3, *part.regions[0].shape, generator=generator)
    level = interleaved_coefficients(picture).to(device)
    out = render([level], [_on(part, device)], backend=backend).cpu()  # type: ignore[arg-type]
    torch.testing.assert_close(out, 0.3 * picture * part.regions[0], rtol=0, atol=2e-6)


def _on(part: RenderPart, device: str) -> RenderPart:
    gains, weight = (None if value is None else value.to(device) for value in (part.gains, part.weight))
    return RenderPart(part.origins.to(device), part.phase, tuple(r.to(device) for r in part.regions), gains, weight)


LEVEL, PHOTO = torch.zeros(4, 5, 4), torch.zeros(4, 5, 3, dtype=torch.uint8)
PART = RenderPart(torch.zeros(2, 2, 2, 2), 0.0, (torch.ones(4, 5, dtype=torch.uint8),))
BAD_ARGUMENTS: list[tuple[list[Tensor], list[RenderPart], dict[str, Tensor], type[Exception], str]] = [
    ([], [PART], {}, ValueError, "levels and parts must be at least one, got 0 and 1"),
    ([LEVEL], [], {}, ValueError, "levels and parts must be at least one, got 1 and 0"),
    ([LEVEL[..., :3]], [PART], {}, ValueError, r"level must be of shape \[H, W, 4\]"),
    ([LEVEL[:0]], [PART], {}, ValueError, "level must be of at least one pixel"),
    ([LEVEL], [PART], {"photo": PHOTO}, ValueError, "photo and anchor must be given both or none, got one"),
    ([LEVEL], [replace(PART, phase=1.5)], {}, ValueError, r"phase must be in \[0, 1\], got 1.5"),
    ([LEVEL], [replace(PART, regions=())], {}, ValueError, "regions must be 1, got 0"),
    ([LEVEL], [replace(PART, gains=torch.ones(2, 3, 3))], {}, ValueError, r"gains must be of shape \[1, h3, w3\]"),
    ([LEVEL], [replace(PART, origins=PART.origins.double())], {}, TypeError, "origins must be float32, got float64"),
]


@pytest.mark.parametrize(("levels", "parts", "over", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments(
    levels: list[Tensor], parts: list[RenderPart], over: dict[str, Tensor], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        render(levels, parts, **over)
