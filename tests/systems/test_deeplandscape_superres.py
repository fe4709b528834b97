"""Frames of a generator at the photo's size: the photo's detail where nothing moves, the network's where it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cinegan_cli.nn.ade20k import SegmenterConfig
from cinegan_cli.nn.rrdb import SuperResolver, SuperResolverConfig
from cinegan_cli.systems.deeplandscape import Enlarger, super_resolved
from cinegan_cli.systems.deeplandscape.superres import resized, tiles

SMALL = SuperResolverConfig(8, 1, 4, SegmenterConfig(4, (1, 1, 1, 1), 8), spare=False)


@pytest.fixture
def photo() -> Tensor:
    return torch.rand(3, 96, 150, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> SuperResolver:
    torch.manual_seed(0)
    return SuperResolver(SMALL).eval().requires_grad_(False)


def test_the_shrunken_photo_gives_the_photo(photo: Tensor) -> None:
    made = super_resolved(resized(photo, (24, 38)), photo, None)
    torch.testing.assert_close(made, photo, rtol=0, atol=1e-5)


def test_another_light_keeps_the_detail(photo: Tensor) -> None:
    dim = torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)
    made = super_resolved(resized(photo, (24, 38)) * dim + 0.1, photo, None)
    wanted = photo * dim + 0.1
    smooth = resized(resized(wanted, (24, 38)), (96, 150))
    assert (made - wanted).abs().mean() < 0.3 * (smooth - wanted).abs().mean()


def test_what_moves_is_the_frames(photo: Tensor) -> None:
    frame, moving = torch.rand(3, 24, 38), torch.zeros(96, 150)
    moving[:40] = 1
    made = super_resolved(frame, photo, None, moving=moving)
    torch.testing.assert_close(made[:, :40], resized(frame, (96, 150))[:, :40].clamp(0, 1))
    torch.testing.assert_close(made[:, 40:], super_resolved(frame, photo, None)[:, 40:])


def test_tiles_make_what_the_network_makes_of_the_whole(network: SuperResolver) -> None:
    photo, frame = torch.rand(3, 160, 208), torch.rand(3, 40, 52)
    whole = network(frame[None], photo[None])[0].clamp(0, 1)
    moving = torch.ones(160, 208)
    torch.testing.assert_close(super_resolved(frame, photo, network, moving=moving), whole)
    torch.testing.assert_close(super_resolved(frame, photo, network, moving=moving, tile=20), whole, rtol=0, atol=1e-3)


def test_the_networks_masks_say_what_moves(photo: Tensor, network: SuperResolver) -> None:
    frame = torch.rand(3, 24, 38)
    still = 1 - network.masks(resized(photo, (96, 152)).clamp(0, 1)[None])[0, 0]
    made, given = (super_resolved(frame, photo, network, moving=m) for m in (None, resized(still[None], (96, 150))[0]))
    torch.testing.assert_close(made, given)


def test_a_network_without_masks_takes_ours(photo: Tensor) -> None:
    torch.manual_seed(0)
    network = SuperResolver(replace(SMALL, segmenter=None)).eval().requires_grad_(False)
    enlarger = Enlarger(photo, network, moving=torch.ones(96, 150))
    small, large = enlarger(torch.rand(3, 24, 38)), enlarger(torch.rand(3, 48, 75))
    assert small.shape == large.shape == photo.shape
    assert bool(torch.isfinite(small).all())


def test_only_tiles_that_move_are_made(photo: Tensor, network: SuperResolver, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    forward = SuperResolver.forward
    monkeypatch.setattr(SuperResolver, "forward", lambda *a: sizes.append(a[1].shape[2:]) or forward(*a))
    moving = torch.zeros(96, 150)
    moving[:30, :40] = 1
    super_resolved(torch.rand(3, 24, 38), photo, network, moving=moving, tile=12)
    assert len(sizes) == 1


def test_tiles_cover_all_once() -> None:
    seen = torch.zeros(37, 50)
    for inner, outer in tiles(37, 50, 16):
        seen[inner] += 1
        assert all(o.start <= i.start and i.stop <= o.stop for i, o in zip(inner, outer, strict=True))
    assert bool((seen == 1).all())
