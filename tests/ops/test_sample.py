"""sample: by hand, reference = native on each device, gradients, borders, and the cases that break others."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cinegan_cli.ops import omoms_coefficients, sample
from cinegan_cli.ops.omoms import _on_device
from tests.backends import BACKENDS, needs_native

KERNELS = ["lanczos3", "bicubic", "omoms"]
BORDERS = ["reflect", "clamp"]


def grid(h: int, w: int) -> Tensor:
    """Positions [1, 2, h, w] of the pixels themselves."""
    return torch.stack(torch.meshgrid(torch.arange(float(w)), torch.arange(float(h)), indexing="xy"))[None]


def at(image: Tensor, points: list[tuple[float, float]], **options: str) -> list[float]:
    """Values of a one-channel image [H, W] at (x, y) points."""
    positions = torch.tensor(points, dtype=image.dtype).T.reshape(1, 2, 1, -1)
    return sample(image[None, None], positions, **options)[0, 0, 0].tolist()  # type: ignore[arg-type]


def make_inputs(
    generator: torch.Generator, shape: tuple[int, int, int, int], size: tuple[int, int] = (9, 11)
) -> tuple[Tensor, Tensor]:
    """An image and positions up to three image sizes outside it."""
    b, _, h, w = shape
    scale = torch.tensor([7.0 * w, 7.0 * h]).view(1, 2, 1, 1)
    positions = (torch.rand(b, 2, *size, generator=generator) - 0.43) * scale
    positions[:, :, : size[0] // 2] = positions[:, :, : size[0] // 2] * 0.12 + 0.4 * scale / 7
    return torch.randn(shape, generator=generator), positions


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_bicubic_by_hand(backend: str) -> None:
    """Catmull-Rom half-way: weights -1/16, 9/16, 9/16, -1/16."""
    image = torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0]]).expand(5, 5)
    expected = (-1 + 9 * 2 + 9 * 4 - 8) / 16
    assert at(image, [(1.5, 2.0)], kernel="bicubic", backend=backend) == pytest.approx([expected], abs=1e-6)


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_lanczos_by_hand(backend: str) -> None:
    """Half-way along x the taps are sinc(k / 2) sinc(k / 6), k = 1, 3, 5 on both sides, over their sum."""
    taps = [
        math.sin(math.pi * k / 2) / (math.pi * k / 2) * math.sin(math.pi * k / 6) / (math.pi * k / 6) for k in (1, 3, 5)
    ]
    image = torch.zeros(7, 7)
    image[:, 3] = 1.0
    positions = [(3.5, 3.0), (4.5, 3.0), (0.5, 3.0)]
    expected = [tap / (2 * sum(taps)) for tap in taps]
    assert at(image, positions, kernel="lanczos3", backend=backend) == pytest.approx(expected, abs=1e-6)


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_omoms_by_hand(backend: str) -> None:
    """Half-way between pixels: the polynomials of Table I at 1/2 and 3/2."""
    near = 1 / 16 - 1 / 4 + 1 / 28 + 13 / 21
    far = -27 / 48 + 9 / 4 - 85 / 28 + 29 / 21
    image = torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0]]).expand(5, 5)
    expected = far * (1 + 8) + near * (2 + 4)
    assert at(image, [(1.5, 2.0)], kernel="omoms", backend=backend) == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (8, 13), (40, 20)])
def test_omoms_of_coefficients_is_the_picture(
    device: str, backend: str, size: tuple[int, int], generator: torch.Generator
) -> None:
    picture = torch.randn(3, *size, generator=generator).to(device)
    found = omoms_coefficients(picture)
    out = sample(found[None], grid(*size).to(device), kernel="omoms", backend=backend)  # type: ignore[arg-type]
    torch.testing.assert_close(out[0], picture, rtol=0, atol=5e-6)


def test_omoms_coefficients_of_any_memory(device: str, generator: torch.Generator) -> None:
    """Also by what runs on a card."""
    picture = torch.randn(30, 20, 3, generator=generator).permute(2, 0, 1)
    expected = omoms_coefficients(picture.contiguous())
    for found in (omoms_coefficients(picture), _on_device(picture.to(device))):
        torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=2e-5)


def test_omoms_coefficients_of_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match="picture"):
        omoms_coefficients(torch.zeros(4, 4))
    with pytest.raises(TypeError, match="picture"):
        omoms_coefficients(torch.zeros(1, 4, 4, dtype=torch.float64))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kernel", ["lanczos3", "bicubic"])
@pytest.mark.parametrize("border", BORDERS)
def test_integers_return_the_pixel(
    device: str, backend: str, kernel: str, border: str, generator: torch.Generator
) -> None:
    image = torch.randn(1, 3, 8, 13, generator=generator).to(device)
    out = sample(image, grid(8, 13).to(device), kernel=kernel, border=border, backend=backend)  # type: ignore[arg-type]
    assert torch.equal(out, image)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_constants_and_lines_are_kept(backend: str, kernel: str, generator: torch.Generator) -> None:
    """Weights sum to 1 everywhere; a slope is kept to 2 % of a pixel inside (but for Lanczos exactly)."""
    positions = torch.rand(1, 2, 20, 20, generator=generator) * 40 - 10
    flat = sample(torch.full((1, 1, 20, 20), 0.7), positions, kernel=kernel, backend=backend)  # type: ignore[arg-type]
    assert (flat - 0.7).abs().max() < 2e-6
    inner = torch.rand(1, 2, 20, 20, generator=generator) * 13 + 3
    slope = sample(grid(20, 20)[:, :1].contiguous(), inner, kernel=kernel, backend=backend)  # type: ignore[arg-type]
    assert (slope - inner[:, :1]).abs().max() < (0.025 if kernel == "lanczos3" else 1e-5)


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_reflection_is_periodic(backend: str, kernel: str) -> None:
    """Mirrored about the centres of the edge pixels, period 2 (W - 1) = 8, any distance outside."""
    image = torch.tensor([[3.0, 1.0, 4.0, 1.0, 5.0]]).expand(5, 5)
    x = 1.25
    copies = [(x, 2.0), (-x, 2.0), (8 - x, 2.0), (8 + x, 2.0), (-80 - x, 2.0), (8000 + x, 2.0)]
    values = at(image, copies, kernel=kernel, backend=backend)
    assert values == pytest.approx([values[0]] * len(values), abs=2e-6)
    far = [(0.0, 2.0), (2.0**30, 2.0), (-(2.0**40) + 2**17, 2.0)]
    first, *others = at(image, far, kernel=kernel, backend=backend)
    assert others == [first, first]
    assert kernel == "omoms" or first == 3.0


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_clamp_repeats_the_edge(backend: str) -> None:
    image = torch.tensor([[3.0, 1.0, 4.0]]).expand(3, 3)
    points = [(-5.3, 1.0), (-1e30, 1.0), (7.7, 1.0), (3e38, 1.0)]
    assert at(image, points, border="clamp", backend=backend) == pytest.approx([3, 3, 4, 4], abs=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_positions_give_0(device: str, backend: str, border: str, bad: float) -> None:
    positions = grid(3, 4).to(device)
    positions[0, 0, 1, 1] = bad
    positions[0, 1, 2, 2] = bad
    positions.requires_grad_()
    image = torch.ones(1, 2, 3, 4, device=device, requires_grad=True)
    out = sample(image, positions, border=border, backend=backend)  # type: ignore[arg-type]
    expected = torch.ones(3, 4)
    expected[1, 1] = expected[2, 2] = 0
    assert torch.equal(out[0, 1].cpu(), expected)
    out.sum().backward()
    assert positions.grad is not None
    assert image.grad is not None
    assert positions.grad.abs().max() < 1e-4
    torch.testing.assert_close(image.grad[0, 0].cpu(), expected, rtol=0, atol=1e-5)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda t: t.contiguous(),
    "channels_last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "every_second": lambda t: t.repeat_interleave(2, dim=3)[..., ::2],
    "row_slice": lambda t: torch.cat([t, t], dim=3)[..., : t.shape[3]],
    "transposed": lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
}


@needs_native
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "shape", [(2, 3, 13, 17), (1, 20, 9, 12), (1, 1, 1, 1), (2, 4, 1, 9), (1, 2, 40, 2), (1, 8, 3, 3)]
)
def test_native_equals_reference(
    device: str, shape: tuple[int, int, int, int], layout: str, border: str, kernel: str, generator: torch.Generator
) -> None:
    """float32; worst seen on CPU: values 4e-6 (fractions far outside), gradients of the image 1e-6 and of the positions
    2e-5 of the largest (the derivative of Lanczos-3's polynomial)."""
    image, positions = make_inputs(generator, shape)
    cotangent = torch.randn(*shape[:2], *positions.shape[2:], generator=generator)
    results = []
    for where, arrange, backend in (("cpu", LAYOUTS["contiguous"], "reference"), (device, LAYOUTS[layout], "native")):
        leaves = [arrange(image).to(where).requires_grad_(), arrange(positions).to(where).requires_grad_()]
        out = sample(*leaves, kernel=kernel, border=border, backend=backend)  # type: ignore[arg-type]
        results.append([out.detach(), *torch.autograd.grad(out, leaves, cotangent.to(where))])
    for want, have, tolerance in zip(*results, (1e-5, 1e-5, 1e-4), strict=True):
        assert (have.cpu() - want).abs().max() <= tolerance * max(1.0, float(want.abs().max()))


@needs_native
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("channels", [3, 13, 72])
@pytest.mark.parametrize("kernel", KERNELS)
def test_smooth_flow(device: str, kernel: str, channels: int, layout: str, generator: torch.Generator) -> None:
    """Neighbours read side by side but for a few, as in a flow; tolerances as above."""
    image = torch.randn(2, channels, 12, 72, generator=generator)
    positions = grid(10, 70).repeat(2, 1, 1, 1)
    positions += 0.4 + torch.tensor([0.03, -0.05]).view(2, 1, 1, 1) * positions[:, :1]
    positions[0, 0, 5, 30] = math.nan
    cotangent = torch.randn(2, channels, 10, 70, generator=generator)
    if kernel == "omoms":  # its slope jumps at a pixel: which side a position there counts to is up to rounding
        cotangent *= ~((positions - positions.round()).abs() <= 1e-3).any(1, keepdim=True)
    results = []
    for where, arrange, backend in (("cpu", LAYOUTS["contiguous"], "reference"), (device, LAYOUTS[layout], "native")):
        leaves = [arrange(image).to(where).requires_grad_(), positions.to(where, copy=True).requires_grad_()]
        out = sample(*leaves, kernel=kernel, backend=backend)  # type: ignore[arg-type]
        grad = arrange(cotangent).to(where)
        results.append([out.detach(), *torch.autograd.grad(out, leaves, grad)])
    for want, have, tolerance in zip(*results, (1e-5, 1e-5, 1e-4), strict=True):
        assert (have.cpu() - want).abs().max() <= tolerance * max(1.0, float(want.abs().max()))


@needs_native
@pytest.mark.parametrize("kernel", KERNELS)
def test_float64_is_exact(device: str, kernel: str, generator: torch.Generator) -> None:
    image, positions = (value.double() for value in make_inputs(generator, (2, 3, 13, 17)))
    expected = sample(image, positions, kernel=kernel, backend="reference")  # type: ignore[arg-type]
    actual = sample(image.to(device), positions.to(device), kernel=kernel, backend="native")  # type: ignore[arg-type]
    torch.testing.assert_close(actual.cpu(), expected, rtol=0, atol=1e-12)


@needs_native
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_types(device: str, dtype: torch.dtype, generator: torch.Generator) -> None:
    image, positions = make_inputs(generator, (1, 3, 13, 17))
    image = image.to(device, dtype)
    out = sample(image, positions.to(device), backend="native")
    assert out.dtype == dtype
    torch.testing.assert_close(out, sample(image.float(), positions.to(device), backend="reference").to(dtype))


@needs_native
@pytest.mark.parametrize("kernel", KERNELS)
def test_pixels_beyond_the_taps_do_not_matter(device: str, kernel: str) -> None:
    """Vectors load more pixels than the kernel has taps; a NaN there must not spoil the sum."""
    radius = 3 if kernel == "lanczos3" else 2
    image = torch.ones(1, 1, 20, 40)
    image[..., 10 + radius + 1 :] = math.nan
    image[..., : 10 - radius + 1] = math.nan
    positions = torch.tensor([10.4, 9.0]).view(1, 2, 1, 1)
    out = sample(image.to(device), positions.to(device), kernel=kernel, backend="native")  # type: ignore[arg-type]
    assert out.item() == pytest.approx(1.0, abs=1e-6)


@needs_native
@pytest.mark.parametrize("kernel", KERNELS)
def test_threads_do_not_change_bits(
    kernel: str, generator: torch.Generator, set_threads: Callable[[int], None]
) -> None:
    image, positions = make_inputs(generator, (1, 3, 70, 50), (60, 80))
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        leaves = [image.clone().requires_grad_(), positions.clone().requires_grad_()]
        out = sample(*leaves, kernel=kernel, backend="native")  # type: ignore[arg-type]
        results.append([out, *torch.autograd.grad(out.sin().sum(), leaves)])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@needs_native
@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_instruction_set(
    level: int, kernel: str, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cinegan_cli.ops import _native

    if level > _native.best_simd():
        pytest.skip(f"this processor has no {_native.SIMD_LEVELS[level]}")
    monkeypatch.setattr(_native, "best_simd", lambda: level)
    image, positions = make_inputs(generator, (1, 3, 40, 50))
    have = sample(image, positions, kernel=kernel, backend="native")  # type: ignore[arg-type]
    want = sample(image, positions, kernel=kernel, backend="reference")  # type: ignore[arg-type]
    torch.testing.assert_close(have, want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty(backend: str) -> None:
    assert sample(torch.zeros(0, 3, 4, 5), torch.zeros(0, 2, 6, 7), backend=backend).shape == (0, 3, 6, 7)
    image = torch.zeros(2, 3, 4, 5, requires_grad=True)
    out = sample(image, torch.zeros(2, 2, 0, 7), backend=backend)
    assert out.shape == (2, 3, 0, 7)
    out.sum().backward()
    assert image.grad is not None
    assert not image.grad.any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("border", BORDERS)
def test_gradcheck(device: str, backend: str, kernel: str, border: str, generator: torch.Generator) -> None:
    """float64, fractions in [0.1, 0.9], positions inside and outside."""
    image = torch.randn(1, 2, 5, 4, generator=generator, dtype=torch.float64)
    whole = torch.randint(-3, 8, (1, 2, 3, 4), generator=generator)
    positions = whole + 0.1 + 0.8 * torch.rand(1, 2, 3, 4, generator=generator, dtype=torch.float64)
    leaves = tuple(value.to(device).requires_grad_() for value in (image, positions))
    check = lambda i, p: sample(i, p, kernel=kernel, border=border, backend=backend)  # type: ignore[arg-type]  # noqa: E731
    assert torch.autograd.gradcheck(check, leaves, nondet_tol=1e-12)


@needs_native
def test_second_derivatives_are_refused(generator: torch.Generator) -> None:
    leaves = [value.requires_grad_() for value in make_inputs(generator, (1, 2, 5, 6))]
    grads = torch.autograd.grad(sample(*leaves, backend="native").square().sum(), leaves, create_graph=True)
    with pytest.raises(RuntimeError, match="autograd"):
        grads[1].sum().backward()


@needs_native
def test_opcheck(device: str, generator: torch.Generator) -> None:
    image, positions = (value.to(device) for value in make_inputs(generator, (1, 3, 6, 7), (4, 5)))
    for layout in (torch.contiguous_format, torch.channels_last):
        image = image.detach().contiguous(memory_format=layout)
        leaves = image.clone().requires_grad_(), positions.clone().requires_grad_()
        torch.library.opcheck(torch.ops.cinegan.sample.default, (*leaves, 0, 0))
        grad = torch.ones(1, 3, 4, 5, device=device)
        torch.library.opcheck(torch.ops.cinegan.sample_backward.default, (grad, image, positions, 1, 1, True, False))


@needs_native
def test_compile(device: str, generator: torch.Generator) -> None:
    inputs = [value.to(device) for value in make_inputs(generator, (2, 3, 9, 7))]

    def shifted(image: Tensor, positions: Tensor) -> Tensor:
        return sample(image, positions + 0.5, backend="native").square()

    results = []
    for function in (shifted, torch.compile(shifted, backend="aot_eager", fullgraph=True)):
        leaves = [value.clone().requires_grad_() for value in inputs]
        out = function(*leaves)
        out.mean().backward()
        results.append([out, *(leaf.grad for leaf in leaves)])
    for have, want in zip(*results, strict=True):
        torch.testing.assert_close(have, want)


IMAGE, POSITIONS = torch.zeros(1, 3, 4, 5), torch.zeros(1, 2, 6, 7)
BAD_ARGUMENTS = [
    ((None, POSITIONS), {}, TypeError, "image must be a tensor, got NoneType"),
    ((IMAGE.long(), POSITIONS), {}, TypeError, "image must be float16 or .*, got int64"),
    ((IMAGE[:, :, :0], POSITIONS), {}, ValueError, r"image must be of shape .*, got \[1, 3, 0, 5\]"),
    ((IMAGE, IMAGE), {}, ValueError, r"positions must be of shape \[1, 2, h, w\], got \[1, 3, 4, 5\]"),
    ((IMAGE, POSITIONS.to("meta")), {}, ValueError, "positions must be on cpu, got meta"),
    ((IMAGE, POSITIONS), {"kernel": "box"}, ValueError, "kernel must be lanczos3 or bicubic or omoms, got 'box'"),
    ((IMAGE, POSITIONS), {"border": "wrap"}, ValueError, "border must be reflect or clamp, got 'wrap'"),
    ((IMAGE, POSITIONS), {"backend": "gpu"}, ValueError, "backend must be .*, got 'gpu'"),
]


@pytest.mark.parametrize(("arguments", "options", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments(
    arguments: tuple[Tensor, Tensor], options: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        sample(*arguments, **options)  # type: ignore[arg-type]
