"""composite: by hand, native = reference, untouched bytes."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cinegan_cli.ops import composite
from tests.backends import BACKENDS, needs_native


def make_inputs(generator: torch.Generator, h: int = 30, w: int = 150) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    photo = torch.randint(0, 256, (h, w, 3), generator=generator, dtype=torch.uint8)
    alpha = torch.rand(h, w, generator=generator) * (torch.rand(h, w, generator=generator) > 0.5)
    alpha[:, : w // 2] = 0
    return photo, alpha, torch.rand(3, h, w, generator=generator) * 1.4 - 0.2, torch.rand(3, h, w, generator=generator)


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(device: str, backend: str) -> None:
    """Unchanged, +0.5 of 20 levels, below 0, above 255, NaN, and NaN that alpha 0 hides."""
    photo = torch.full((1, 6, 3), 100, dtype=torch.uint8, device=device)
    alpha = torch.tensor([[1.0, 0.5, 1.0, 1.0, 1.0, 0.0]], device=device)
    unmoved = torch.full((3, 1, 6), 0.4, device=device)
    warped = unmoved + torch.tensor([0.0, 20 / 255, -1.0, 1.0, math.nan, math.nan], device=device)
    out = composite(photo, alpha, warped, unmoved, backend=backend)  # type: ignore[arg-type]
    assert out[0, :, 0].tolist() == [100, 110, 0, 255, 0, 100]
    assert (out == out[..., :1]).all()


@needs_native
def test_native_equals_reference(device: str, generator: torch.Generator) -> None:
    """Equal but for sums within float32's rounding of a half: 1 level, in less than one value of 1000 (seen: 0)."""
    inputs = make_inputs(generator)
    expected = composite(*inputs, backend="reference").int()
    actual = composite(*(value.to(device) for value in inputs), backend="native").cpu().int()
    assert (actual - expected).abs().max() <= 1
    assert (actual != expected).float().mean() < 1e-3


@pytest.mark.parametrize("backend", BACKENDS)
def test_photo_bytes_where_alpha_is_0(device: str, backend: str, generator: torch.Generator) -> None:
    photo, alpha, warped, unmoved = (value.to(device) for value in make_inputs(generator))
    out = composite(photo, alpha, warped, unmoved, backend=backend)  # type: ignore[arg-type]
    assert torch.equal(out[alpha == 0], photo[alpha == 0])
    assert (out[alpha > 0.3] != photo[alpha > 0.3]).float().mean() > 0.8


@needs_native
def test_layouts_and_threads(generator: torch.Generator, set_threads: Callable[[int], None]) -> None:
    photo, alpha, warped, unmoved = make_inputs(generator)
    set_threads(1)
    expected = composite(photo, alpha, warped, unmoved, backend="native")
    set_threads(3)
    strange = warped.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert torch.equal(
        composite(photo.flip(1).flip(1), alpha.T.contiguous().T, strange, unmoved, backend="native"), expected
    )


@needs_native
@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1), (3, 7), (4, 130)])
def test_sizes(device: str, shape: tuple[int, int], generator: torch.Generator) -> None:
    """Of any rest by four, which the CUDA kernel takes at once."""
    inputs = [value.to(device) for value in make_inputs(generator, *shape)]
    assert torch.equal(composite(*inputs, backend="native"), composite(*inputs, backend="reference"))


@needs_native
def test_opcheck(generator: torch.Generator) -> None:
    torch.library.opcheck(torch.ops.cinegan.composite.default, make_inputs(generator, 4, 6))


PHOTO, ALPHA, PICTURE = torch.zeros(4, 5, 3, dtype=torch.uint8), torch.zeros(4, 5), torch.zeros(3, 4, 5)
BAD_ARGUMENTS = [
    ((PHOTO.float(), ALPHA, PICTURE, PICTURE), TypeError, "photo must be uint8, got float32"),
    ((PHOTO[..., :2], ALPHA, PICTURE, PICTURE), ValueError, r"photo must be of shape \[H, W, 3\], got \[4, 5, 2\]"),
    ((PHOTO, ALPHA.T, PICTURE, PICTURE), ValueError, r"alpha must be of shape \[4, 5\], got \[5, 4\]"),
    ((PHOTO, ALPHA, PICTURE.half(), PICTURE), TypeError, "warped must be float32, got float16"),
    ((PHOTO, ALPHA, PICTURE, PICTURE.to("meta")), ValueError, "unmoved must be on cpu, got meta"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments(arguments: tuple[Tensor, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        composite(*arguments)
