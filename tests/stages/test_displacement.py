"""Eq. 1 both ways in time: exact cases, streaming, and independence of the frame rate."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.config import RenderConfig
from cinegan_cli.ops import advect
from cinegan_cli.stages.displacement import SNAPSHOTS, Box, ascending, descending, displacements, dissolve, padding_for
from cinegan_cli.types import Displacement, Motion


def constant(u: float, v: float, h: int = 6, w: int = 9) -> Motion:
    return Motion(torch.tensor([u, v]).view(2, 1, 1).expand(2, h, w).clone(), "given")


def wavy(h: int = 12, w: int = 20) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, h, w, generator=generator)


def test_constant_flow_travels_time_times_speed() -> None:
    frames = list(displacements(constant(3.0, -1.5), frames=10, fps=10.0))
    assert [round(d.weight, 6) for d in frames] == [t / 10 for t in range(10)]
    for t, d in enumerate(frames):
        expected_forward = torch.tensor([3.0, -1.5]).view(2, 1, 1) * (t / 10)
        expected_backward = -torch.tensor([3.0, -1.5]).view(2, 1, 1) * ((10 - t) / 10)
        torch.testing.assert_close(d.forward, expected_forward.expand_as(d.forward))
        torch.testing.assert_close(d.backward, expected_backward.expand_as(d.backward))


def test_euler_step_by_hand() -> None:
    """M(x) = x / 4 on a row of five points: 1 → 1.25 → 1.5625 (Eq. 1 with bilinear sampling)."""
    step = torch.zeros(2, 1, 5)
    step[0, 0] = torch.arange(5) / 4
    first, second, third = ascending(step, 2)
    assert first[0, 0, 1] == 0
    assert second[0, 0, 1] == 0.25
    assert third[0, 0, 1] == pytest.approx(0.5625)


@pytest.mark.parametrize("count", [1, 2, SNAPSHOTS, SNAPSHOTS + 1, 2 * SNAPSHOTS, 100, SNAPSHOTS**2 + 5])
def test_descending_is_ascending_backwards(count: int) -> None:
    step = 0.3 * wavy()
    up = list(ascending(step, count))
    down = list(descending(step, count))
    assert len(down) == count
    for index, field in enumerate(down):
        assert torch.equal(field, up[count - index])


def test_descending_keeps_few_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peak number of live fields for 240 steps: two levels of snapshots, not 240."""
    from cinegan_cli import ops

    live: list[int] = [0, 0]
    original = ops.advect

    class Field(Tensor):
        def __del__(self) -> None:
            live[0] -= 1

    def counted(velocity: Tensor, displacement: Tensor, corner: tuple[int, int]) -> Tensor:
        live[0] += 1
        live[1] = max(live[1], live[0])
        return original(velocity, displacement.as_subclass(Tensor), corner=corner).as_subclass(Field)

    monkeypatch.setattr(ops, "advect", counted)
    for _ in descending(0.1 * wavy(4, 4), 240):
        pass
    assert live[1] <= 2 * SNAPSHOTS + 2


@pytest.mark.parametrize("fps", [12.0, 24.0, 30.0, 60.0])
def test_frame_rate_changes_neither_speed_nor_cycle(fps: float) -> None:
    """Half a cycle takes the same particles to the same place, 5 px away; Euler's own error is 0.05 px at worst."""
    motion = Motion(torch.nn.functional.interpolate(wavy(3, 3)[None] * 2, size=(40, 60), mode="bicubic")[0], "given")
    config = RenderConfig(seconds=2.0, fps=fps)
    frames = list(displacements(motion, frames=config.frames, fps=fps))
    middle = frames[config.frames // 2]
    reference = list(displacements(motion, frames=480, fps=240.0))[240]
    assert middle.weight == 0.5
    assert (middle.forward - reference.forward).abs().max() < 0.1


def test_padding_covers_the_travel_of_each_axis() -> None:
    rows, columns = padding_for(constant(6.0, 1.0, h=50, w=90), seconds=2.0)
    assert rows >= 2
    assert 12 <= columns < 20
    assert padding_for(constant(1000.0, 0.0), seconds=9.0)[1] == 9


@pytest.mark.parametrize("frames", [4, 10])
def test_pingpong_goes_there_and_back(frames: int) -> None:
    fields = [
        d.forward[0, 0, 0].item() for d in displacements(constant(4.0, 0), frames=frames, fps=4.0, loop="pingpong")
    ]
    way = [float(i) for i in range(frames // 2)]
    assert fields == pytest.approx([*way, *[float(i) for i in range(frames // 2, 0, -1)]])
    neighbours = zip(fields, [*fields[1:], fields[0]], strict=True)
    assert all(a != b for a, b in neighbours)


def test_crossfade_dissolves_at_the_end_only() -> None:
    weights = [dissolve(t / 30) for t in range(30)]
    assert weights[:21] == pytest.approx([0.0] * 21)
    assert all(a < b for a, b in pairwise(weights[20:]))
    assert weights[-1] < 1


@pytest.mark.parametrize(("loop", "frames"), [("flow", 3), ("pingpong", 4)])
def test_shortest_loops(loop: str, frames: int) -> None:
    config = RenderConfig(seconds=0.1, fps=1.0, loop=loop)  # type: ignore[arg-type]
    assert config.frames == frames


def test_pingpong_has_an_even_number_of_frames() -> None:
    assert all(RenderConfig(seconds=s / 10, fps=25.0, loop="pingpong").frames % 2 == 0 for s in range(1, 40))


def test_inverse_fields_lead_back_to_where_particles_started() -> None:
    """A grid point plus the inverse field is a start whose displacement leads to it; far from the border."""
    motion = smooth(48, 64)
    for frame in range(1, 8, 3):
        there, back = (next(islice(_fields(motion, inverse), frame, None)) for inverse in (False, True))
        for onward, towards in ((there.forward, back.forward), (there.backward, back.backward)):
            rows, columns = there.pad
            onward = onward[:, rows : rows + 48, columns : columns + 64]
            missed = towards + _at(onward, towards)
            assert missed[:, 8:-8, 8:-8].abs().mean() < 0.02  # bilinear reading, a step at a time
            assert towards[:, 8:-8, 8:-8].abs().max() > 0.5


def test_inverse_fields_of_a_box_are_those_of_the_grid() -> None:
    motion = smooth(20, 30)
    box = Box(3, 15, 8, 27)
    for whole, part in zip(_fields(motion, True), _fields(motion, True, box), strict=True):
        torch.testing.assert_close(part.forward, whole.forward[:, 3:15, 8:27], rtol=0, atol=1e-4)
        torch.testing.assert_close(part.backward, whole.backward[:, 3:15, 8:27], rtol=0, atol=1e-4)


def smooth(h: int, w: int) -> Motion:
    """About 6 px a second, other every two dozen px."""
    coarse = 6 * wavy(h // 24 + 2, w // 24 + 2)
    return Motion(F.interpolate(coarse[None], (h, w), mode="bicubic", align_corners=True)[0], "given")


def _fields(motion: Motion, inverse: bool, box: Box | None = None) -> Iterator[Displacement]:
    return displacements(motion, frames=8, fps=10, inverse=inverse, box=box)


def _at(field: Tensor, offsets: Tensor) -> Tensor:
    """`field` [2, h, w] at every grid point plus its offset."""
    return advect(field, offsets) - offsets
