"""splat: tiny cases by hand, reference = native on each device, gradients, and the cases that break others."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cinegan_cli.ops import splat
from tests.backends import BACKENDS, needs_native

Inputs = tuple[Tensor, Tensor, Tensor]


def make_inputs(
    generator: torch.Generator,
    shape: tuple[int, int, int, int] = (2, 5, 13, 17),
    dtype: torch.dtype = torch.float32,
    reach: float = 5.0,
) -> Inputs:
    b, _, h, w = shape
    features = torch.randn(shape, generator=generator, dtype=dtype)
    displacement = torch.randn(b, 2, h, w, generator=generator, dtype=dtype) * reach
    weight = torch.rand(b, 1, h, w, generator=generator, dtype=dtype) + 0.1
    return features, displacement, weight


def with_gradients(inputs: Inputs, device: str, cotangents: tuple[Tensor, Tensor], backend: str) -> list[Tensor]:
    """Numerator, denominator and the gradients of the three inputs, on the CPU."""
    leaves = [value.to(device, copy=True).requires_grad_() for value in inputs]
    out = splat(*leaves, backend=backend)
    grads = torch.autograd.grad(out, leaves, [value.to(device) for value in cotangents])
    return [value.detach().cpu() for value in (*out, *grads)]


def one_pixel(dx: float, dy: float, backend: str, size: tuple[int, int] = (3, 4)) -> tuple[Tensor, Tensor]:
    """Pixel (1, 1) with feature 8 and weight 2 moves by (dx, dy); the others weigh 0. Planes [H, W]."""
    h, w = size
    features = torch.full((1, 1, h, w), 8.0)
    displacement = torch.zeros(1, 2, h, w)
    displacement[0, :, 1, 1] = torch.tensor([dx, dy])
    weight = torch.zeros(1, 1, h, w)
    weight[0, 0, 1, 1] = 2.0
    numerator, denominator = splat(features, displacement, weight, backend=backend)
    return numerator[0, 0], denominator[0, 0]


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(backend: str) -> None:
    """A quarter right, half down: votes 3/8 1/8 3/8 1/8, times weight 2, times feature 8."""
    numerator, denominator = one_pixel(0.25, 0.5, backend)
    expected = torch.zeros(3, 4)
    expected[1:3, 1:3] = torch.tensor([[0.75, 0.25], [0.75, 0.25]])
    torch.testing.assert_close(denominator, expected, rtol=0, atol=0)
    torch.testing.assert_close(numerator, 8 * expected, rtol=0, atol=0)


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_negative_targets_are_floored(backend: str) -> None:
    """(1 - 1.25, 1 - 1.5) = (-0.25, -0.5): only the corner (0, 0) is inside, with vote 0.75 * 0.5."""
    _, denominator = one_pixel(-1.25, -1.5, backend)
    expected = torch.zeros(3, 4)
    expected[0, 0] = 0.75
    torch.testing.assert_close(denominator, expected, rtol=0, atol=0)


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_exact_integers_hit_one_pixel(backend: str) -> None:
    _, denominator = one_pixel(2.0, -1.0, backend)
    expected = torch.zeros(3, 4)
    expected[0, 3] = 2.0
    torch.testing.assert_close(denominator, expected, rtol=0, atol=0)


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30, -1e30, 2.0**31, -(2.0**63), 3.0, -2.0])
def test_targets_outside_are_dropped(backend: str, bad: float) -> None:
    """Non-finite, huge, and just outside (1 + 3 = W, 1 - 2 = -1); with NaN features too."""
    for dx, dy in ((bad, 0.0), (0.0, bad), (bad, bad)):
        numerator, denominator = one_pixel(dx, dy, backend)
        assert denominator.sum() == 0
        assert numerator.abs().sum() == 0
    features = torch.full((1, 2, 3, 4), math.nan)
    away = torch.full((1, 2, 3, 4), bad if abs(bad) > 4 or math.isnan(bad) else 4 * bad)
    numerator, denominator = splat(features, away, torch.full((1, 1, 3, 4), math.nan), backend=backend)
    assert numerator.abs().sum() == 0
    assert denominator.abs().sum() == 0


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_non_finite_features_spread_to_four_pixels(backend: str) -> None:
    """Documented: a vote of 0 times infinity is NaN, at the target's corners and nowhere else."""
    features = torch.ones(1, 1, 4, 4)
    features[0, 0, 1, 1] = math.inf
    zero = torch.zeros(1, 2, 4, 4)
    numerator, denominator = splat(features, zero, torch.ones(1, 1, 4, 4), backend=backend)
    expected = torch.ones(4, 4)
    expected[1:3, 1:3] = math.nan
    expected[1, 1] = math.inf
    torch.testing.assert_close(numerator[0, 0], expected, rtol=0, atol=0, equal_nan=True)
    assert denominator.isfinite().all()


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_many_to_one(backend: str) -> None:
    """All pixels move to (2, 1): the sums are there and nowhere else."""
    h, w = 6, 5
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    displacement = torch.stack([2 - x, 1 - y])[None].float()
    features = torch.arange(float(h * w)).view(1, 1, h, w)
    numerator, denominator = splat(features, displacement, torch.ones(1, 1, h, w), backend=backend)
    assert denominator[0, 0, 1, 2] == denominator.sum() == h * w
    assert numerator[0, 0, 1, 2] == numerator.sum() == features.sum()


LAYOUTS = {
    "contiguous": lambda t: t.contiguous(),
    "channels_last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "every_second": lambda t: t.repeat_interleave(2, dim=3)[..., ::2],
    "row_slice": lambda t: torch.cat([t, t], dim=3)[..., : t.shape[3]],
    "transposed": lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    "batch_reversed_strides": lambda t: t.transpose(0, 1).contiguous().transpose(0, 1),
}


@needs_native
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "shape", [(2, 5, 13, 17), (1, 3, 70, 9), (1, 1, 1, 1), (2, 1, 1, 9), (1, 2, 9, 1), (1, 16, 8, 9), (1, 37, 6, 7)]
)
def test_native_equals_reference(
    device: str, shape: tuple[int, int, int, int], layout: str, generator: torch.Generator
) -> None:
    """float32, any device; worst seen on CPU: 5e-7 of the largest value, gradients 3e-7."""
    inputs = make_inputs(generator, shape)
    cotangents = torch.randn(shape, generator=generator), torch.randn(inputs[2].shape, generator=generator)
    expected = with_gradients(inputs, "cpu", cotangents, "reference")
    laid_out = tuple(LAYOUTS[layout](value) for value in inputs)
    actual = with_gradients(laid_out, device, cotangents, "native")  # type: ignore[arg-type]
    for have, want in zip(actual, expected, strict=True):
        assert (have - want).abs().max() <= 2e-6 * max(1.0, float(want.abs().max()))


@needs_native
@pytest.mark.parametrize("layout", ["contiguous", "channels_last"])
@pytest.mark.parametrize("channels", [3, 13, 72])
def test_smooth_flow(device: str, layout: str, channels: int, generator: torch.Generator) -> None:
    """Neighbours land side by side but for a few: what a GPU adds up before it adds to memory."""
    shape = (2, channels, 10, 71)
    features, _, weight = make_inputs(generator, shape)
    x = torch.arange(71.0).expand(10, 71)
    displacement = torch.stack([2.3 + 0.03 * x, 0.4 - 0.05 * x]).repeat(2, 1, 1, 1)
    displacement[1] = -displacement[1]
    displacement[:, :, 4, 20] = math.nan  # one that lands nowhere
    inputs = LAYOUTS[layout](features), displacement, weight
    cotangents = torch.randn(shape, generator=generator), torch.randn(weight.shape, generator=generator)
    expected = with_gradients(inputs, "cpu", cotangents, "reference")
    for have, want in zip(with_gradients(inputs, device, cotangents, "native"), expected, strict=True):
        assert (have - want).abs().max() <= 2e-6 * max(1.0, float(want.abs().max()))


@needs_native
def test_no_gradient_is_missing(device: str, generator: torch.Generator) -> None:
    """Closeness to a small number proves little: row by row the magnitudes agree (worst seen 1e-6)."""
    inputs = make_inputs(generator, (1, 4, 12, 15), reach=2.0)
    cotangents = torch.randn(1, 4, 12, 15, generator=generator), torch.randn(1, 1, 12, 15, generator=generator)
    expected = with_gradients(inputs, "cpu", cotangents, "reference")[2:]
    actual = with_gradients(inputs, device, cotangents, "native")[2:]
    for have, want in zip(actual, expected, strict=True):
        have_rows, want_rows = have.abs().sum(dim=3), want.abs().sum(dim=3)
        assert (want_rows > 0).all()
        assert (have_rows / want_rows - 1).abs().max() < 1e-4


@needs_native
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_types(device: str, dtype: torch.dtype, generator: torch.Generator) -> None:
    """Half types are computed in float32 and the sums are float32; float64 stays."""
    inputs = tuple(value.to(device, dtype) for value in make_inputs(generator))
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    for have, want in zip(
        splat(*inputs, backend="native"),
        splat(*(value.to(wide) for value in inputs), backend="reference"),
        strict=True,
    ):
        assert have.dtype == wide
        torch.testing.assert_close(have, want, rtol=0, atol=1e-12 if dtype == torch.float64 else 2e-6)


@needs_native
@pytest.mark.parametrize("channels_last", [False, True])
def test_layout_is_kept(device: str, channels_last: bool, generator: torch.Generator) -> None:
    features, displacement, weight = make_inputs(generator)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    features = features.to(device).contiguous(memory_format=layout)
    numerator, _ = splat(features, displacement.to(device), weight.to(device), backend="native")
    assert numerator.is_contiguous(memory_format=layout)


@needs_native
@pytest.mark.parametrize("reach", [0.5, 100.0])
@pytest.mark.parametrize("shape", [(1, 3, 150, 90), (2, 19, 40, 33)])
def test_threads_do_not_change_bits(
    shape: tuple[int, int, int, int], reach: float, generator: torch.Generator, set_threads: Callable[[int], None]
) -> None:
    inputs = make_inputs(generator, shape, reach=reach)
    cotangents = torch.randn(shape, generator=generator), torch.randn(inputs[2].shape, generator=generator)
    results = []
    for threads in (1, 2, 5):
        set_threads(threads)
        results.append(with_gradients(inputs, "cpu", cotangents, "native"))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@needs_native
@pytest.mark.parametrize("level", range(3))
def test_every_instruction_set(level: int, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kernel that this processor runs, against the reference (worst seen 5e-7)."""
    from cinegan_cli.ops import _native

    if level > _native.extension.best_simd():
        pytest.skip(f"this processor has no {_native.SIMD_LEVELS[level]}")
    monkeypatch.setattr(_native, "best_simd", lambda: level)
    inputs = make_inputs(generator, (1, 21, 20, 23))
    for have, want in zip(splat(*inputs, backend="native"), splat(*inputs, backend="reference"), strict=True):
        torch.testing.assert_close(have, want, rtol=0, atol=2e-6)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 3, 0, 5), (2, 3, 4, 0)])
def test_empty(backend: str, shape: tuple[int, int, int, int], generator: torch.Generator) -> None:
    leaves = [value.requires_grad_() for value in make_inputs(generator, shape)]
    numerator, denominator = splat(*leaves, backend=backend)
    assert numerator.shape == shape
    assert denominator.shape == leaves[2].shape
    (numerator.sum() + denominator.sum()).backward()
    assert all(leaf.grad is not None and leaf.grad.shape == leaf.shape for leaf in leaves)


def smooth_inputs(generator: torch.Generator) -> Inputs:
    """float64, targets with fractions in [0.1, 0.9], away from the kinks of the votes; some targets outside."""
    features, _, weight = make_inputs(generator, (2, 3, 4, 5), torch.float64)
    whole = torch.randint(-3, 4, (2, 2, 4, 5), generator=generator)
    return features, whole + 0.1 + 0.8 * torch.rand(2, 2, 4, 5, generator=generator, dtype=torch.float64), weight


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradcheck(backend: str, generator: torch.Generator) -> None:
    leaves = tuple(value.requires_grad_() for value in smooth_inputs(generator))
    assert torch.autograd.gradcheck(lambda *args: splat(*args, backend=backend), leaves)


@needs_native
@pytest.mark.cuda
def test_gradcheck_cuda(generator: torch.Generator) -> None:
    leaves = tuple(value.cuda().requires_grad_() for value in smooth_inputs(generator))
    assert torch.autograd.gradcheck(lambda *args: splat(*args, backend="native"), leaves, nondet_tol=1e-12)


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_derivative_at_a_kink(backend: str) -> None:
    """At an integer target the derivative is that of the cell to the right and below."""
    displacement = torch.zeros(1, 2, 3, 3, requires_grad=True)
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 1.0
    plane = torch.tensor([[0.0, 1, 2], [3, 5, 8], [13, 21, 34]]).view(1, 1, 3, 3)
    _, denominator = splat(torch.ones(1, 1, 3, 3), displacement, weight, backend=backend)
    (denominator * plane).sum().backward()
    assert displacement.grad is not None
    assert displacement.grad[0, :, 1, 1].tolist() == [3.0, 16.0]  # 8 - 5 and 21 - 5


@needs_native
def test_second_derivatives_are_refused(generator: torch.Generator) -> None:
    leaves = [value.requires_grad_() for value in make_inputs(generator)]
    numerator, _ = splat(*leaves, backend="native")
    grads = torch.autograd.grad(numerator.square().sum(), leaves, create_graph=True)
    with pytest.raises(RuntimeError, match="autograd"):
        grads[1].sum().backward()


@needs_native
def test_opcheck(device: str, generator: torch.Generator) -> None:
    """Schema, fake kernels (with dynamic shapes) and autograd registration agree with the kernel."""
    for layout in (torch.contiguous_format, torch.channels_last):
        features, displacement, weight = (value.to(device) for value in make_inputs(generator, (1, 3, 6, 7)))
        features = features.contiguous(memory_format=layout)
        leaves = [value.detach().requires_grad_() for value in (features, displacement, weight)]
        torch.library.opcheck(torch.ops.cinegan.splat.default, leaves)
        grads = torch.randn_like(features), torch.randn_like(weight)
        torch.library.opcheck(
            torch.ops.cinegan.splat_backward.default, (*grads, features, displacement, weight, True, False, True)
        )


@needs_native
def test_compile(device: str, generator: torch.Generator) -> None:
    """torch.compile traces forward and backward without a graph break."""
    inputs = [value.to(device) for value in make_inputs(generator)]

    def joint(features: Tensor, displacement: Tensor, weight: Tensor) -> Tensor:
        numerator, denominator = splat(features, displacement, weight, backend="native")
        return numerator / (denominator + 1e-6)

    results = []
    for function in (joint, torch.compile(joint, backend="aot_eager", fullgraph=True)):
        leaves = [value.clone().requires_grad_() for value in inputs]
        out = function(*leaves)
        out.square().mean().backward()
        results.append([out, *(leaf.grad for leaf in leaves)])
    for have, want in zip(*results, strict=True):
        torch.testing.assert_close(have, want)


@pytest.mark.cuda
def test_deterministic_mode_cuda(generator: torch.Generator) -> None:
    """Under deterministic algorithms two runs have the same bits although thousands of votes collide."""
    features, _, weight = (value.cuda() for value in make_inputs(generator, (1, 4, 128, 128)))
    displacement = (
        -torch.stack(torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="xy"))[None].cuda() * 0.99
    )
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (splat(features, displacement, weight) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.cuda
def test_other_stream_cuda(generator: torch.Generator) -> None:
    inputs = [value.cuda() for value in make_inputs(generator, (1, 8, 256, 256))]
    expected = splat(*inputs, backend="reference")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        actual = splat(*inputs, backend="native")
    stream.synchronize()
    for have, want in zip(actual, expected, strict=True):
        torch.testing.assert_close(have, want, rtol=0, atol=1e-5)


GOOD = torch.zeros(1, 3, 4, 5), torch.zeros(1, 2, 4, 5), torch.zeros(1, 1, 4, 5)
BAD_ARGUMENTS = [
    (([1.0], *GOOD[1:]), TypeError, r"features must be a tensor, got list"),
    ((GOOD[0].int(), *GOOD[1:]), TypeError, r"features must be float16 or .*, got int32"),
    ((GOOD[0][0], *GOOD[1:]), ValueError, r"features must be of shape \[B, C, H, W\], got \[3, 4, 5\]"),
    ((GOOD[0][:, :0], *GOOD[1:]), ValueError, r"features must be of shape \[B, C >= 1, H, W\]"),
    ((GOOD[0], GOOD[0], GOOD[2]), ValueError, r"displacement must be of shape \[1, 2, 4, 5\], got \[1, 3, 4, 5\]"),
    ((GOOD[0], GOOD[1][..., :4], GOOD[2]), ValueError, r"displacement must be of shape \[1, 2, 4, 5\]"),
    ((*GOOD[:2], GOOD[2][0]), ValueError, r"weight must be of shape \[1, 1, 4, 5\], got \[1, 4, 5\]"),
    ((*GOOD[:2], GOOD[2].to("meta")), ValueError, r"weight must be on cpu, got meta"),
]


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_ARGUMENTS)
def test_bad_arguments(arguments: Inputs, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        splat(*arguments)


def test_bad_backend() -> None:
    with pytest.raises(ValueError, match='backend must be "auto", "native" or "reference", got \'fast\''):
        splat(*GOOD, backend="fast")  # type: ignore[arg-type]
