"""The same bits for any number of threads: frames of every warp and blend, and the mask network."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import product

import pytest
import torch

from cinegan_cli import ops
from cinegan_cli.config import Config, InversionConfig, RenderConfig, RunConfig, StyleConfig
from cinegan_cli.models import SHIPPED
from cinegan_cli.pipeline import render
from cinegan_cli.session import Session
from cinegan_cli.stages.bands import pyramid, upsample
from cinegan_cli.stages.mask import see
from cinegan_cli.systems import restyled
from cinegan_cli.systems.pyramid import Pyramid
from cinegan_cli.systems.stylecinegan.invert import analyse
from cinegan_cli.types import Analysis, Scene
from tests.scenes import drift, noise_photo, upper_half

THREADS = (1, 2, 3)
SIZE = (326, 210)  # PyTorch shares out nothing below 32768 values; and no side a multiple of a vector's length


def scene() -> Scene:
    photo = noise_photo(*SIZE)
    return Scene(photo, upper_half(photo), drift(photo, 30.0))


def digest(threads: int, config: RenderConfig) -> str:
    session = Session(RunConfig(threads=threads))
    frames = render(scene(), replace(Config(), render=config), session)
    return hashlib.sha256(b"".join(frame.tobytes() for frame in frames)).hexdigest()


@pytest.mark.parametrize(
    ("warp", "blend"),
    [*product(("inverse", "coordinates", "splat", "backward"), ("contrast", "linear")), ("rgb", "contrast")],
)
def test_frames(warp: str, blend: str) -> None:
    config = RenderConfig(seconds=0.4, fps=10.0, warp=warp, blend=blend)  # type: ignore[arg-type]
    assert len({digest(threads, config) for threads in THREADS}) == 1


@pytest.mark.parametrize("loop", ["pingpong", "crossfade"])
def test_frames_of_other_loops(loop: str) -> None:
    config = RenderConfig(seconds=0.4, fps=10.0, loop=loop)  # type: ignore[arg-type]
    assert len({digest(threads, config) for threads in THREADS}) == 1


def test_the_papers_fill() -> None:
    config = RenderConfig(seconds=0.4, fps=10.0, warp="splat", fill="paper")
    assert len({digest(threads, config) for threads in THREADS}) == 1


@pytest.mark.parametrize(("target", "cycle"), [("sunset", False), ("#ff8800", False), ("night", True)])
def test_looks(target: str, cycle: bool) -> None:
    """A changing look needs no mask network where the mask knows sky from water."""
    render_config = RenderConfig(seconds=0.4, fps=10.0)
    digests = set()
    for threads in THREADS:
        session = Session(RunConfig(threads=threads))
        plain = scene()
        mask = replace(plain.mask, sky=plain.mask.alpha, water=torch.zeros_like(plain.mask.alpha))
        style = StyleConfig(target=target, cycle=cycle)
        with session.at_work():
            looks = Pyramid().looks(plain.photo, mask, Analysis(), style, session)
        styled = replace(plain, looks=looks) if cycle else restyled(plain, looks[-1])
        frames = render(styled, replace(Config(), render=render_config), session)
        pictures = [look.picture.numpy().tobytes() for look in looks]
        digests.add(hashlib.sha256(b"".join([*pictures, *(frame.tobytes() for frame in frames)])).hexdigest())
    assert len(digests) == 1


def test_the_seer() -> None:
    picture = scene().photo.pixels_u8
    seen = []
    for threads in THREADS:
        session = Session(RunConfig(threads=threads))
        with session.at_work():
            sight = see(picture, session=session)
            seen.append(torch.cat([sight.kinds, sight.heading, sight.axis, sight.pace[None]]))
            assert torch.get_num_threads() == threads  # the network's own threads leave no trace
    assert all(torch.equal(seen[0], other) for other in seen[1:])


def test_the_shipped_generator() -> None:
    photo, made = scene().photo, []
    for threads in (1, 2):
        session = Session(RunConfig(threads=threads))
        with session.at_work():
            inversion = analyse(photo, session.models(SHIPPED), InversionConfig(), session=session, vote=False)
        made.append((*inversion.contributions, inversion.latents.w_plus))
    assert all(torch.equal(one, other) for one, other in zip(*made, strict=True))


@pytest.mark.parametrize("threads", THREADS[1:])
@pytest.mark.parametrize("size", [(210, 326), (333, 401), (500, 97)])
def test_bands(size: tuple[int, int], threads: int) -> None:
    generator = torch.Generator().manual_seed(4)
    image = torch.rand(3, *size, generator=generator)
    made = []
    for count in (1, threads):
        with Session(RunConfig(threads=count)).at_work():
            made.append(
                (*pyramid(image).levels, upsample(image, (2 * size[0], 2 * size[1])), torch.tensor(ops.total(image)))
            )
    assert all(torch.equal(one, other) for one, other in zip(*made, strict=True))


def test_total_is_the_sum() -> None:
    values = torch.tensor([[0.5, -2.0], [8.0, 1e-3]], dtype=torch.float64)
    assert ops.total(values) == 0.5 - 2.0 + 8.0 + 1e-3
    assert ops.total(torch.ones(1 << 25)) == 1 << 25  # float32 stops at 2^24
    assert ops.total(torch.zeros(0)) == 0.0
