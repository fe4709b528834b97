"""advect: one step by hand, native against reference, borders, threads, and the checks of its arguments."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cinegan_cli.ops import advect
from cinegan_cli.ops.advect import _advect
from tests.backends import BACKENDS, needs_native


def fields(h: int, w: int, reach: float = 3.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(h * 1000 + w)
    velocity = torch.randn(2, h, w, generator=generator)
    return velocity, reach * torch.randn(2, h, w, generator=generator)


@pytest.mark.usefixtures("on_each_device")
@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(backend: str) -> None:
    """At (1, 0), displaced by half a pixel to the right, the flow is the mean of its two neighbours."""
    velocity, displacement = torch.zeros(2, 2, 4), torch.zeros(2, 2, 4)
    velocity[0, 0] = torch.tensor([0.0, 2.0, 4.0, 0.0])
    velocity[1, 1, 1] = 8.0
    displacement[0, 0, 1] = 0.5
    displacement[1, 0, 1] = 0.25
    out = advect(velocity, displacement, backend=backend)  # type: ignore[arg-type]
    assert out[0, 0, 1] == 0.5 + 0.75 * 3.0
    assert out[1, 0, 1] == 0.25 + 0.25 * (8.0 / 2)


@needs_native
@pytest.mark.parametrize("size", [(1, 1), (1, 70), (65, 1), (40, 129), (3, 64)])
@pytest.mark.parametrize("reach", [0.0, 0.4, 5.0, 1e4])
def test_native_equals_reference(device: str, size: tuple[int, int], reach: float) -> None:
    """Worst seen 3e-5 at reach 5: grid_sample's own coordinates are rounded in [-1, 1]."""
    velocity, displacement = fields(*size, reach)
    expected = advect(velocity, displacement, backend="reference")
    actual = advect(velocity.to(device), displacement.to(device), backend="native")
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_beyond_the_border_the_flow_is_the_border_s(device: str, backend: str) -> None:
    velocity = fields(5, 6)[0].to(device)
    out = advect(velocity, torch.full((2, 5, 6), -100.0, device=device), backend=backend)  # type: ignore[arg-type]
    torch.testing.assert_close(out, velocity[:, :1, :1].expand(2, 5, 6) - 100)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_part_of_the_grid_moves_as_all_of_it(backend: str) -> None:
    velocity, displacement = fields(40, 90)
    whole = advect(velocity, displacement, backend=backend)[:, 3:20, 11:81]  # type: ignore[arg-type]
    part = advect(velocity, displacement[:, 3:20, 11:81], corner=(3, 11), backend=backend)  # type: ignore[arg-type]
    torch.testing.assert_close(part, whole, rtol=0, atol=2e-5)
    nothing = advect(velocity, displacement[:, :0], backend=backend)  # type: ignore[arg-type]
    assert nothing.shape == (2, 0, 90)


@needs_native
def test_same_bits_for_any_number_of_threads() -> None:
    velocity, displacement = fields(67, 90)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(advect(velocity, displacement, backend="native"))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(result, results[0]) for result in results)


@needs_native
def test_opcheck() -> None:
    torch.library.opcheck(_advect, (*fields(6, 7), 0, 0))


@pytest.mark.parametrize(
    ("velocity", "displacement", "error"),
    [
        (torch.zeros(3, 4, 4), torch.zeros(3, 4, 4), ValueError),
        (torch.zeros(2, 0, 4), torch.zeros(2, 4, 5), ValueError),
        (torch.zeros(2, 4, 4, dtype=torch.float64), torch.zeros(2, 4, 4), TypeError),
        ("flow", torch.zeros(2, 4, 4), TypeError),
    ],
)
def test_bad_arguments(velocity: Tensor, displacement: Tensor, error: type[Exception]) -> None:
    with pytest.raises(error, match="must be"):
        advect(velocity, displacement)
