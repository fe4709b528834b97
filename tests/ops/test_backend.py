"""Which backend runs: cards, drivers, tangents, transforms, deterministic mode, forks, and sizes that do not fit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from cinegan_cli.ops import _native, advect, backend_info, composite, joint_sample, sample, splat
from tests.backends import needs_native

# torch's own, on the first use of forward mode.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")

SASS, PTX = (75, 80, 86, 90, 120), (90, 120)
CUDA = torch.device("cuda")


def reason(capability: tuple[int, int], driver: int = 13000, toolkit: int = 13000, ptx: tuple[int, ...] = PTX) -> str:
    return _native.why_not_card(capability, SASS, ptx, driver, toolkit) or ""


@pytest.mark.parametrize(
    "capability", [(7, 5), (8, 0), (8, 6), (8, 7), (8, 9), (9, 0), (10, 0), (10, 3), (11, 0), (12, 0), (12, 1), (13, 0)]
)
def test_cards_that_the_build_runs_on(capability: tuple[int, int]) -> None:
    assert not reason(capability)


@pytest.mark.parametrize(
    ("capability", "ptx"), [((7, 0), PTX), ((6, 1), PTX), ((10, 0), (120,)), ((13, 0), ()), ((7, 2), ())]
)
def test_cards_that_it_does_not_run_on(capability: tuple[int, int], ptx: tuple[int, ...]) -> None:
    """Older ones; and newer ones without intermediate code that is old enough."""
    assert f"{capability[0]}.{capability[1]}" in reason(capability, ptx=ptx)


@pytest.mark.parametrize(
    ("capability", "driver", "toolkit", "runs"),
    [
        ((8, 6), 12080, 13000, False),  # an older generation of CUDA
        ((8, 6), 13000, 13020, True),  # machine code runs on any driver of its generation
        ((10, 0), 13000, 13020, False),  # PTX is translated by drivers as new as it is
        ((10, 0), 13020, 13020, True),
        ((8, 6), 0, 13000, False),  # no driver
    ],
)
def test_drivers(capability: tuple[int, int], driver: int, toolkit: int, runs: bool) -> None:
    cause = reason(capability, driver, toolkit)
    assert (not cause) == runs
    if not runs:
        assert f"CUDA {toolkit // 1000}" in cause
        assert f"CUDA {driver // 1000}" in cause


@pytest.fixture
def made_up_card(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[int, int]], None]:
    """Makes it look as if there were a card and a CUDA build for SASS and PTX."""

    def pretend(capability: tuple[int, int]) -> None:
        build = {"cuda_architectures": " ".join(map(str, SASS)), "cuda_ptx": " ".join(map(str, PTX))}
        extension = SimpleNamespace(
            **build, cuda_versions=lambda: [13000, 13000], compiler="gcc", best_simd=lambda: 0, splat_float32=None
        )
        monkeypatch.setattr(_native, "extension", extension)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)

    return pretend


class OnCard:
    """As much of a CUDA tensor as the choice of the backend looks at."""

    device = CUDA


@pytest.fixture
def plain_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "is_transformed", lambda _tensor: False)


@pytest.mark.usefixtures("plain_tensors")
def test_a_card_without_kernels(made_up_card: Callable[[tuple[int, int]], None]) -> None:
    """auto falls back with one warning, native says why, and so does what `cinegan doctor` prints."""
    made_up_card((7, 0))
    on_card: Any = OnCard()
    _native._warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match=r"7\.0"):
        assert not _native.runs_native("auto", on_card)
    assert not _native.runs_native("auto", on_card)
    with pytest.raises(RuntimeError, match=r"7\.0"):
        _native.runs_native("native", on_card)
    info = backend_info()
    assert info.cpu
    assert not info.cuda
    assert info.reason is not None
    assert "7.0" in info.reason


@pytest.mark.usefixtures("plain_tensors")
def test_a_card_with_kernels(made_up_card: Callable[[tuple[int, int]], None]) -> None:
    made_up_card((8, 9))
    on_card: Any = OnCard()
    assert _native.runs_native("auto", on_card)
    assert _native.runs_native("native", on_card)
    assert backend_info().cuda
    assert backend_info().reason is None


@pytest.fixture
def deterministic() -> Iterator[Callable[[str], None]]:
    """Takes "error", "warn" or "default", in place of torch.use_deterministic_algorithms, which loads a compiler."""
    yield torch.set_deterministic_debug_mode
    torch.set_deterministic_debug_mode("default")


@pytest.mark.usefixtures("plain_tensors")
def test_deterministic_mode(
    made_up_card: Callable[[tuple[int, int]], None], deterministic: Callable[[str], None]
) -> None:
    """Sums in any order: auto leaves them to the reference, native refuses; a fixed order is not concerned."""
    made_up_card((9, 0))
    on_card: Any = OnCard()
    _native.refuse_any_order(on_card)
    deterministic("error")
    assert not _native.runs_native("auto", on_card, adds_in_any_order=True)
    assert _native.runs_native("native", on_card)
    with pytest.raises(RuntimeError, match=r'use_deterministic_algorithms.*"auto"'):
        _native.runs_native("native", on_card, adds_in_any_order=True)
    with pytest.raises(RuntimeError, match="use_deterministic_algorithms"):
        _native.refuse_any_order(on_card)
    deterministic("warn")
    assert _native.runs_native("native", on_card, adds_in_any_order=True)


@needs_native
def test_the_cpu_is_deterministic(deterministic: Callable[[str], None]) -> None:
    deterministic("error")
    splat(*SPLAT, backend="native")


@pytest.mark.cuda
def test_deterministic_mode_cuda(deterministic: Callable[[str], None]) -> None:
    deterministic("error")
    with pytest.raises(RuntimeError, match="use_deterministic_algorithms"):
        splat(*(value.cuda() for value in SPLAT), backend="native")
    image, positions = (value.cuda() for value in SAMPLE)
    sample(image, positions, backend="native")
    with pytest.raises(RuntimeError, match="use_deterministic_algorithms"):
        sample(image.requires_grad_(), positions, backend="native")


GENERATOR = torch.Generator().manual_seed(0)
SPLAT = tuple(torch.rand(1, c, 5, 6, generator=GENERATOR) for c in (3, 2, 1))
SAMPLE = torch.rand(1, 3, 5, 6, generator=GENERATOR), 4 * torch.rand(1, 2, 4, 4, generator=GENERATOR)
PLANE = torch.rand(3, 5, 6, generator=GENERATOR)
PHOTO = torch.randint(0, 256, (5, 6, 3), generator=GENERATOR, dtype=torch.uint8)
ORIGINS = torch.rand(2, 2, 5, 6, generator=GENERATOR)
# Every operator as a function of each of its float inputs that a result can have a tangent by.
FUNCTIONS: dict[str, tuple[Callable[..., Tensor], Tensor]] = {
    "splat features": (lambda x, **how: splat(x, *SPLAT[1:], **how)[0], SPLAT[0]),
    "splat displacement": (lambda x, **how: splat(SPLAT[0], x, SPLAT[2], **how)[0], SPLAT[1]),
    "splat weight": (lambda x, **how: splat(*SPLAT[:2], x, **how)[1], SPLAT[2]),
    "sample image": (lambda x, **how: sample(x, SAMPLE[1], **how), SAMPLE[0]),
    "sample positions": (lambda x, **how: sample(SAMPLE[0], x, **how), SAMPLE[1]),
    "joint_sample image": (lambda x, **how: joint_sample(x, ORIGINS, 0.4, **how), PLANE),
    "joint_sample base": (lambda x, **how: joint_sample(PLANE, ORIGINS, 0.4, base=x, **how), PLANE),
    "joint_sample gain": (lambda x, **how: joint_sample(PLANE, ORIGINS, 0.4, gain=x, **how), PLANE[0]),
    "advect velocity": (lambda x, **how: advect(x, ORIGINS[0], **how), ORIGINS[1]),
    "advect displacement": (lambda x, **how: advect(ORIGINS[1], x, **how), ORIGINS[0]),
}
CASES = pytest.mark.parametrize(("function", "at"), FUNCTIONS.values(), ids=FUNCTIONS)


TANGENT_CASES = pytest.mark.parametrize(
    ("function", "at"),
    [case for name, case in FUNCTIONS.items() if "advect" not in name],
    ids=[name for name in FUNCTIONS if "advect" not in name],
)


@TANGENT_CASES
def test_tangents(function: Callable[..., Tensor], at: Tensor) -> None:
    """Forward mode has the derivative along a direction, by torch.func and by hand; the size says it is not lost."""
    along = torch.ones_like(at)
    near = (function(at + 1e-2 * along) - function(at - 1e-2 * along)) / 2e-2
    _, tangent = torch.func.jvp(function, (at,), (along,))
    assert tangent.abs().max() > 0.1
    assert (tangent - near).abs().mean() < 0.1 * tangent.abs().mean()
    with forward_ad.dual_level():
        by_hand = forward_ad.unpack_dual(function(forward_ad.make_dual(at, along))).tangent  # type: ignore[no-untyped-call]
        assert by_hand is not None
        torch.testing.assert_close(by_hand, tangent)


def test_tangents_that_torch_does_not_have() -> None:
    """`grid_sample` has no forward mode: an error, not a derivative of 0."""
    function, at = FUNCTIONS["advect velocity"]
    with pytest.raises(NotImplementedError, match="forward AD"):
        torch.func.jvp(function, (at,), (at,))


@needs_native
@CASES
def test_native_refuses_what_it_does_not_see(function: Callable[..., Tensor], at: Tensor) -> None:
    native = lambda x: function(x, backend="native")  # noqa: E731
    with pytest.raises(RuntimeError, match=r"torch\.func"):
        torch.func.jvp(native, (at,), (at,))
    with pytest.raises(RuntimeError, match=r"torch\.func"):
        torch.func.vmap(native)(at[None])
    with forward_ad.dual_level(), pytest.raises(RuntimeError, match="tangent"):
        native(forward_ad.make_dual(at, at))
    with forward_ad.dual_level():
        native(at)  # has no tangent


def test_composite_refuses_tangents() -> None:
    """Bytes have none, whichever backend: what matters is that nothing breaks."""
    still, warped = PLANE, PLANE.flip(1)
    out, tangent = torch.func.jvp(
        lambda alpha: composite(PHOTO, alpha, warped, still).float(), (PLANE[0],), (PLANE[0],)
    )
    assert torch.equal(out, composite(PHOTO, PLANE[0], warped, still).float())
    assert not tangent.any()


@CASES
def test_transforms(function: Callable[..., Tensor], at: Tensor) -> None:
    """vmap over a batch of one and of two."""
    batch = torch.stack([at, at.flip(-1)])
    expected = torch.stack([function(x) for x in batch])
    torch.testing.assert_close(torch.func.vmap(function)(batch), expected, rtol=0, atol=1e-5)


def test_compiled_tangents() -> None:
    """Traced without a tangent and called with one: compiled again, not lost."""
    function, at = FUNCTIONS["splat displacement"]
    compiled = torch.compile(function, backend="aot_eager")
    compiled(at)
    _, expected = torch.func.jvp(function, (at,), (at,))
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(compiled(forward_ad.make_dual(at, at))).tangent  # type: ignore[no-untyped-call]
    torch.testing.assert_close(tangent, expected)


@needs_native
@pytest.mark.parametrize("name", ["alpha", "gain"])
def test_no_gradient_is_dropped_without_a_word(name: str) -> None:
    """Operators without gradients say so when one is asked for, whichever input it is by."""
    if name == "alpha":
        out = composite(PHOTO, PLANE[0].clone().requires_grad_(), PLANE, PLANE.flip(1), backend="native")
        assert not out.is_floating_point()
        return
    out = joint_sample(PLANE, ORIGINS, 0.4, gain=PLANE[0].clone().requires_grad_(), backend="native")
    with pytest.raises(RuntimeError):
        out.sum().backward()


@needs_native
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child(set_threads: Callable[[int], None]) -> None:
    """Threads of the parent's calls do not live on, so none is missing in the child."""
    set_threads(4)
    functions = [lambda f=f, at=at: f(at, backend="native") for f, at in FUNCTIONS.values()]
    expected = [function() for function in functions]
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(not all(torch.equal(f(), want) for f, want in zip(functions, expected, strict=True)))
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


BIG = 1 << 40
GRID, NONE4 = (8, 8), (0, 1, 0, 0)
CALLS: dict[str, Callable[[Any], object]] = {
    "splat": lambda c: c.splat_float32([0] * 5, (1, 1, 2, 2**25), NONE4, NONE4, 1, 0, 0, False),
    "splat total": lambda c: c.splat_float32([0] * 5, (BIG, BIG, 2, 2), NONE4, NONE4, 1, 0, 0, False),
    "splat negative": lambda c: c.splat_float64([0] * 5, (1, 1, -2, 2), NONE4, NONE4, 1, 0, 0, False),
    "splat gradient": lambda c: c.splat_grad_float64([0] * 8, (1, 1, 2**25, 2), NONE4, 1, 0, 0, False),
    "sample": lambda c: c.sample_float32([0] * 3, (1, 1, 8, 8), (1, 2**31), NONE4, NONE4, 0, 0, 1, 0, 0, False),
    "sample gradient": lambda c: c.sample_grad_float32(
        [0] * 5, (1, 1, 2**25, 8), GRID, NONE4, NONE4, 0, 0, 1, 0, 0, False
    ),
    "sample of nothing": lambda c: c.sample_float32([0] * 3, (1, 1, 0, 8), GRID, NONE4, NONE4, 0, 0, 1, 0, 0, False),
    "joint_sample": lambda c: c.joint_sample([0] * 6, (1, 8, 2**25), GRID, GRID, GRID, (1, 0), 0, 0, 1, 0, 0, False),
    "joint_sample base": lambda c: c.joint_sample(
        [0] * 6, (1, 8, 8), GRID, GRID, (2**25, 8), (1, 0), 0, 0, 1, 0, 0, False
    ),
    "composite": lambda c: c.composite([0] * 5, (2**25, 1), 1, 0, 0, False),
    "advect": lambda c: c.advect([0] * 3, (2**16, 2**16), GRID, (0, 0), 1, 0, 0, False),
    "render": lambda c: c.render([(0, 8, 2**25, 2**25)], [], [0] * 3, 1, 0),
    "render nothing": lambda c: c.render([], [], [0] * 3, 1, 0),
    "render regions": lambda c: c.render([(0, 8, 8, 8)], [([1, 0, 0], [GRID] * 3, (1, 0))], [0] * 3, 1, 0),
    "render part": lambda c: c.render([(0, 8, 8, 8)], [([1, 0, 0, 1], [(0, 8)] * 3, (1, 0))], [0] * 3, 1, 0),
    "strides": lambda c: c.splat_float32([0] * 5, (1, 1, 2, 2), (8, 8, 8, 8), NONE4, 1, 0, 0, False),
    "instruction set": lambda c: c.composite([0] * 5, (0, 1), 1, 9, 0, False),
}


@needs_native
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_sizes_that_do_not_fit(call: Callable[[Any], object]) -> None:
    """The extension looks before it reads: these calls come without memory."""
    with pytest.raises(ValueError, match="must"):
        call(_native.extension)
