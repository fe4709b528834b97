"""joint_sample: by hand, native = the composition of torch operators, borders and options."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from cinegan_cli.ops import joint_sample, sample
from tests.backends import BACKENDS, needs_native


def make_inputs(
    generator: torch.Generator, size: tuple[int, int] = (37, 150), grid: tuple[int, int] = (19, 40), channels: int = 3
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Origins are smooth, as flows are: a jump from one grid point to the next makes rounding of positions visible."""
    image = torch.rand(channels, *size, generator=generator)
    coarse = torch.randn(2, 2, 2, 3, generator=generator) * 4
    origins = F.interpolate(coarse, size=grid, mode="bilinear", align_corners=True)
    options = {
        "gain": torch.rand(6, 11, generator=generator) + 0.5,
        "base": torch.randn(channels, 5, 8, generator=generator),
        "region": (torch.rand(size, generator=generator) > 0.4).byte(),
    }
    return image, origins, options


def on_device(
    device: str, image: Tensor, origins: Tensor, options: dict[str, Tensor]
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    return image.to(device), origins.to(device), {name: value.to(device) for name, value in options.items()}


@pytest.mark.parametrize("backend", BACKENDS)
def test_still_is_the_image(device: str, backend: str, generator: torch.Generator) -> None:
    image, origins, _ = (make_inputs(generator)[i] for i in range(3))
    out = joint_sample(image.to(device), torch.zeros_like(origins).to(device), 0.0, backend=backend)  # type: ignore[arg-type]
    assert torch.equal(out.cpu(), image)


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(device: str, backend: str) -> None:
    """Grid half the size: one grid px is two pixels. Source 0 comes from 2 px right, source 1 from 4 px below."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(32.0), indexing="ij")
    image = torch.stack([x, y])
    origins = torch.zeros(2, 2, 12, 16)
    origins[0, 0] = 1.0
    origins[1, 1] = 2.0
    options = {"gain": torch.full((12, 16), 3.0), "base": torch.tensor([10.0, 20.0]).view(2, 1, 1)}
    options = {name: value.to(device) for name, value in options.items()}
    out = joint_sample(image.to(device), origins.to(device), 0.25, **options, backend=backend).cpu()  # type: ignore[arg-type]
    expected = torch.stack([3 * (x + 0.75 * 2) + 10, 3 * (y + 0.25 * 4) + 20])
    inner = (slice(None), slice(0, 20), slice(0, 30))
    torch.testing.assert_close(out[inner], expected[inner], rtol=0, atol=5e-5)


@needs_native
@pytest.mark.parametrize("kernel", ["lanczos3", "bicubic", "omoms"])
@pytest.mark.parametrize("border", ["reflect", "clamp"])
@pytest.mark.parametrize("phase", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("parts", [(), ("gain",), ("base",), ("region",), ("gain", "base", "region")])
def test_native_equals_reference(
    device: str,
    parts: tuple[str, ...],
    channels: int,
    phase: float,
    border: str,
    kernel: str,
    generator: torch.Generator,
) -> None:
    """Worst seen on CPU 2.2e-5, in white noise: float32 positions near 150 are 1.5e-5 apart."""
    image, origins, options = make_inputs(generator, channels=channels)
    chosen: dict[str, Any] = {name: options[name] for name in parts}
    how: dict[str, Any] = {"kernel": kernel, "border": border}
    expected = joint_sample(image, origins, phase, **chosen, **how, backend="reference")
    moved = {name: value.to(device) for name, value in chosen.items()}
    actual = joint_sample(image.to(device), origins.to(device), phase, **moved, **how, backend="native")
    torch.testing.assert_close(actual.cpu(), expected, rtol=0, atol=5e-5)


@needs_native
@pytest.mark.parametrize(
    ("size", "grid"), [((1, 1), (1, 1)), ((1, 9), (4, 2)), ((70, 1), (1, 1)), ((5, 7), (30, 40)), ((16, 200), (3, 5))]
)
def test_sizes(device: str, size: tuple[int, int], grid: tuple[int, int], generator: torch.Generator) -> None:
    """Displacements reach hundreds of pixels here; worst seen 5.4e-5."""
    image, origins, options = make_inputs(generator, size, grid)
    expected = joint_sample(image, origins, 0.6, **options, backend="reference")
    options = {name: value.to(device) for name, value in options.items()}
    actual = joint_sample(image.to(device), origins.to(device), 0.6, **options, backend="native")
    torch.testing.assert_close(actual.cpu(), expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_region_0_is_0(device: str, backend: str, generator: torch.Generator) -> None:
    image, origins, options = on_device(device, *make_inputs(generator))
    out = joint_sample(image, origins, 0.4, **options, backend=backend)  # type: ignore[arg-type]
    assert not out[:, options["region"] == 0].any()
    full = joint_sample(image, origins, 0.4, gain=options["gain"], base=options["base"], backend=backend)  # type: ignore[arg-type]
    assert torch.equal(out[:, options["region"] != 0], full[:, options["region"] != 0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_source_without_share_is_not_read(device: str, backend: str, generator: torch.Generator) -> None:
    image, origins, _ = on_device(device, *make_inputs(generator))
    expected = joint_sample(image, origins, 0.0, backend=backend)  # type: ignore[arg-type]
    origins[1] = math.nan
    assert torch.equal(joint_sample(image, origins, 0.0, backend=backend), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, 3e38])
def test_bad_origins_contribute_0(device: str, backend: str, bad: float, generator: torch.Generator) -> None:
    """Also an overflow to infinity; elsewhere nothing changes."""
    image, origins, _ = on_device(device, *make_inputs(generator, (16, 32), (4, 8)))
    expected = joint_sample(image, origins, 0.5, backend=backend)  # type: ignore[arg-type]
    origins[0, 0, 0, 0] = bad
    out = joint_sample(image, origins, 0.5, backend=backend)  # type: ignore[arg-type]
    only_1 = joint_sample(image, torch.stack([origins[1]] * 2), 0.0, backend=backend)  # type: ignore[arg-type]
    torch.testing.assert_close(out[:, 0, 0], 0.5 * only_1[:, 0, 0])
    assert torch.equal(out[:, 8:, 16:], expected[:, 8:, 16:])


@needs_native
def test_threads_do_not_change_bits(generator: torch.Generator, set_threads: Callable[[int], None]) -> None:
    image, origins, options = make_inputs(generator)
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        results.append(joint_sample(image, origins, 0.4, **options, backend="native"))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@needs_native
@pytest.mark.parametrize("level", range(3))
def test_every_instruction_set(level: int, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    from cinegan_cli.ops import _native

    if level > _native.best_simd():
        pytest.skip(f"this processor has no {_native.SIMD_LEVELS[level]}")
    monkeypatch.setattr(_native, "best_simd", lambda: level)
    image, origins, options = make_inputs(generator)
    expected = joint_sample(image, origins, 0.4, **options, backend="reference")
    torch.testing.assert_close(
        joint_sample(image, origins, 0.4, **options, backend="native"), expected, rtol=0, atol=5e-5
    )


@needs_native
def test_same_kernel_as_sample(generator: torch.Generator) -> None:
    """On a grid of the image's own size, source 0 alone is sample at the displaced pixels."""
    image, origins, _ = make_inputs(generator, (20, 30), (20, 30))
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    expected = sample(image[None], torch.stack([x, y])[None] + origins[:1])[0]
    torch.testing.assert_close(joint_sample(image, origins, 0.0, backend="native"), expected, rtol=0, atol=1e-5)


@needs_native
def test_opcheck(generator: torch.Generator) -> None:
    image, origins, options = make_inputs(generator, (6, 7), (3, 4))
    torch.library.opcheck(torch.ops.cinegan.joint_sample.default, (image, origins, 0.3, *options.values(), 0, 0))
    torch.library.opcheck(torch.ops.cinegan.joint_sample.default, (image, origins, 0.3, None, None, None, 1, 1))


IMAGE, ORIGINS = torch.zeros(3, 4, 5), torch.zeros(2, 2, 3, 4)
BAD_ARGUMENTS = [
    ((IMAGE[None], ORIGINS, 0.0), {}, ValueError, r"image must be of shape \[C, H, W\]"),
    ((IMAGE.double(), ORIGINS, 0.0), {}, TypeError, "image must be float32, got float64"),
    ((IMAGE[:, :0], ORIGINS, 0.0), {}, ValueError, "image must be of at least one pixel"),
    ((IMAGE, ORIGINS[0], 0.0), {}, ValueError, r"origins must be of shape \[2, 2, h, w\], got \[2, 3, 4\]"),
    ((IMAGE, ORIGINS, 1.5), {}, ValueError, r"phase must be in \[0, 1\], got 1.5"),
    ((IMAGE, ORIGINS, math.nan), {}, ValueError, r"phase must be in \[0, 1\], got nan"),
    (
        (IMAGE, ORIGINS, 0.0),
        {"gain": torch.zeros(1, 3, 5)},
        ValueError,
        r"gain must be of shape \[h3, w3\], got \[1, 3, 5\]",
    ),
    ((IMAGE, ORIGINS, 0.0), {"gain": torch.zeros(0, 5)}, ValueError, "gain must be of at least one pixel"),
    ((IMAGE, ORIGINS, 0.0), {"base": torch.zeros(2, 3, 5)}, ValueError, r"base must be of shape \[3, h2, w2\]"),
    ((IMAGE, ORIGINS, 0.0), {"region": torch.zeros(4, 5)}, TypeError, "region must be uint8, got float32"),
    ((IMAGE, ORIGINS, 0.0), {"kernel": "box"}, ValueError, "kernel must be lanczos3 or bicubic or omoms, got 'box'"),
]


@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments(
    arguments: tuple[Tensor, Tensor, float], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        joint_sample(*arguments, **options)
