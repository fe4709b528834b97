"""What holds for any input: native equals reference, bits do not depend on threads, and votes add up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor

from cinegan_cli.ops import advect, composite, joint_sample, sample, splat
from tests.backends import needs_native

pytestmark = needs_native
# The same examples every time: a tolerance is not to be a matter of luck.
RUN = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
STRANGE = (float("nan"), float("inf"), float("-inf"), 1e30, -1e30, 2.0**31, -(2.0**63), -1.0)
sides = st.integers(1, 20)


class Source:
    """Tensors of random numbers in random memory layouts, from what hypothesis draws."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def tensor(self, *shape: int, reach: float = 1.0, strange: bool = False, dtype: Any = torch.float32) -> Tensor:
        """Normal numbers times `reach`; a quarter are whole, and with `strange` one in ten is NaN, infinite or huge."""
        values = torch.randn(shape, generator=self.generator, dtype=dtype) * reach
        values = torch.where(torch.rand(shape, generator=self.generator) < 0.25, values.floor(), values)
        if strange:
            picked = torch.tensor(STRANGE, dtype=dtype)[torch.randint(len(STRANGE), shape, generator=self.generator)]
            values = torch.where(torch.rand(shape, generator=self.generator) < 0.1, picked, values)
        return self.laid_out(values)

    def laid_out(self, values: Tensor) -> Tensor:
        """The same values with another order of axes in memory, or with gaps between them."""
        order = self.draw(st.permutations(range(values.dim())))
        values = values.permute(order).contiguous().permute([order.index(axis) for axis in range(values.dim())])
        if self.draw(st.booleans()):
            values = values.repeat_interleave(2, dim=-1)[..., ::2]
        return values


@st.composite
def sources(draw: Callable[[st.SearchStrategy[Any]], Any]) -> Source:
    return Source(draw)


@pytest.fixture
def same_bits(set_threads: Callable[[int], None]) -> Callable[[Callable[[], Any]], tuple[Tensor, ...]]:
    """Runs a function with 1, 2 and 7 threads, and returns its tensors, which must be the same to the bit."""

    def run(function: Callable[[], Any]) -> tuple[Tensor, ...]:
        results: list[tuple[Tensor, ...]] = []
        for threads in (1, 2, 7):
            set_threads(threads)
            out = function()
            results.append(out if isinstance(out, tuple) else (out,))
        for other in results[1:]:
            for value, expected in zip(other, results[0], strict=True):
                assert value.numpy().tobytes() == expected.numpy().tobytes()
        return results[0]

    return run


SameBits = Callable[[Callable[[], Any]], tuple[Tensor, ...]]


def assert_near(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """To `tolerance` of the largest finite value (at least 1), and not finite at the same places."""
    finite = expected[expected.isfinite()].abs()
    scale = max(1.0, float(finite.max()) if finite.numel() else 1.0)
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * scale, equal_nan=True)


@RUN
@given(
    source=sources(), size=st.tuples(st.integers(1, 3), sides, sides, sides), reach=st.sampled_from((0.5, 6.0, 40.0))
)
def test_splat(same_bits: SameBits, source: Source, size: tuple[int, int, int, int], reach: float) -> None:
    """float32 and its tolerance; displacements may be anything, features and weights are finite."""
    b, _, h, w = size
    inputs = source.tensor(*size), source.tensor(b, 2, h, w, reach=reach, strange=True), source.tensor(b, 1, h, w)
    actual = same_bits(lambda: splat(*inputs, backend="native"))
    for have, want in zip(actual, splat(*inputs, backend="reference"), strict=True):
        assert_near(have, want, 1e-5)


@RUN
@given(source=sources(), size=st.tuples(st.integers(1, 2), st.integers(1, 5), sides, sides))
def test_splat_of_strange_values(source: Source, size: tuple[int, int, int, int]) -> None:
    """Features and weights that are not finite reach the same pixels; huge ones are left out, as they may overflow."""
    b, c, h, w = size
    inputs = [source.tensor(b, n, h, w, reach=2.0, strange=True) for n in (c, 2, 1)]
    for index in (0, 2):
        inputs[index] = torch.where(inputs[index].abs() > 1e6, torch.inf, inputs[index])
    for have, want in zip(splat(*inputs, backend="native"), splat(*inputs, backend="reference"), strict=True):
        assert_near(have, want, 1e-5)


@RUN
@given(source=sources(), size=st.tuples(st.integers(1, 2), st.integers(1, 5), sides, sides))
def test_votes_add_up(source: Source, size: tuple[int, int, int, int]) -> None:
    """Where all land inside, nothing is lost: the sums of both results are those of what was sent (float64)."""
    b, c, h, w = size
    features, weight = (source.tensor(b, n, h, w, dtype=torch.float64) for n in (c, 1))
    targets = torch.rand(b, 2, h, w, generator=source.generator, dtype=torch.float64)
    targets = targets * torch.tensor([w - 1, h - 1]).view(1, 2, 1, 1)
    pixels = torch.stack(torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy"))
    numerator, denominator = splat(features, targets - pixels, weight, backend="native")
    torch.testing.assert_close(numerator.sum((2, 3)), (features * weight).sum((2, 3)), rtol=0, atol=1e-10)
    torch.testing.assert_close(denominator.sum((2, 3)), weight.sum((2, 3)), rtol=0, atol=1e-10)


@RUN
@given(
    source=sources(),
    size=st.tuples(st.integers(1, 2), sides, sides, sides),
    grid=st.tuples(sides, sides),
    kernel=st.sampled_from(("lanczos3", "bicubic", "omoms")),
    border=st.sampled_from(("reflect", "clamp")),
    reach=st.sampled_from((3.0, 30.0)),
)
def test_sample(
    same_bits: SameBits,
    source: Source,
    size: tuple[int, int, int, int],
    grid: tuple[int, int],
    kernel: Any,
    border: Any,
    reach: float,
) -> None:
    image, positions = source.tensor(*size), source.tensor(size[0], 2, *grid, reach=reach, strange=True)
    how: dict[str, Any] = {"kernel": kernel, "border": border}
    (actual,) = same_bits(lambda: sample(image, positions, **how, backend="native"))
    assert_near(actual, sample(image, positions, **how, backend="reference"), 2e-5)


@RUN
@given(
    source=sources(),
    size=st.tuples(st.integers(1, 2), st.integers(1, 5), sides, sides),
    kernel=st.sampled_from(("lanczos3", "bicubic", "omoms")),
    border=st.sampled_from(("reflect", "clamp")),
)
def test_sample_of_strange_values(source: Source, size: tuple[int, int, int, int], kernel: Any, border: Any) -> None:
    """A pixel that is not finite spoils the same outputs, and no other."""
    image = source.tensor(*size)
    spoilt = torch.tensor([torch.nan, torch.inf, -torch.inf])[torch.randint(3, size, generator=source.generator)]
    image = torch.where(torch.rand(size, generator=source.generator) < 0.03, spoilt, image)
    positions = source.tensor(size[0], 2, 9, 7, reach=8.0)
    how: dict[str, Any] = {"kernel": kernel, "border": border}
    actual, expected = (sample(image, positions, **how, backend=backend) for backend in ("native", "reference"))
    assert_near(actual, expected, 2e-5)


@RUN
@given(source=sources(), size=st.tuples(sides, sides, sides), grid=st.tuples(sides, sides), data=st.data())
def test_joint_sample(
    same_bits: SameBits, source: Source, size: tuple[int, int, int], grid: tuple[int, int], data: st.DataObject
) -> None:
    """Positions of either backend differ by rounding, so the image is smooth: its slope is at most 1 in a pixel."""
    c, h, w = size
    y, x = torch.meshgrid(torch.arange(float(h)), torch.arange(float(w)), indexing="ij")
    image = source.laid_out(torch.stack([torch.sin(0.5 * (x + y) + k) for k in range(c)]))
    origins = source.tensor(2, 2, *grid, reach=2.0)
    phase = data.draw(st.sampled_from((0.0, 0.3, 1.0)))
    parts = data.draw(st.sets(st.sampled_from(("gain", "base", "region"))))
    options = {
        "gain": source.tensor(*data.draw(st.tuples(sides, sides))),
        "base": source.tensor(c, *data.draw(st.tuples(sides, sides))),
        "region": (source.tensor(h, w) > 0).byte(),
    }
    chosen: dict[str, Any] = {name: options[name] for name in parts}
    (actual,) = same_bits(lambda: joint_sample(image, origins, phase, **chosen, backend="native"))
    assert_near(actual, joint_sample(image, origins, phase, **chosen, backend="reference"), 1e-4)


@RUN
@given(source=sources(), size=st.tuples(sides, sides), reach=st.sampled_from((0.5, 6.0, 1e4)))
def test_advect(same_bits: SameBits, source: Source, size: tuple[int, int], reach: float) -> None:
    velocity, displacement = source.tensor(2, *size), source.tensor(2, *size, reach=reach)
    (actual,) = same_bits(lambda: advect(velocity, displacement, backend="native"))
    assert_near(actual, advect(velocity, displacement, backend="reference"), 1e-4)


@RUN
@given(source=sources(), size=st.tuples(sides, sides))
def test_composite(same_bits: SameBits, source: Source, size: tuple[int, int]) -> None:
    """One level where a sum is within rounding of a half; bytes of the photo where alpha is 0."""
    photo = source.laid_out(torch.randint(0, 256, (*size, 3), generator=source.generator, dtype=torch.uint8))
    alpha = source.tensor(*size, reach=0.5, strange=True)
    warped, unmoved = source.tensor(3, *size, strange=True), source.tensor(3, *size)
    (actual,) = same_bits(lambda: composite(photo, alpha, warped, unmoved, backend="native"))
    expected = composite(photo, alpha, warped, unmoved, backend="reference")
    assert (actual.int() - expected.int()).abs().max() <= 1
    assert torch.equal(actual[alpha == 0], photo[alpha == 0])
