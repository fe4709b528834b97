"""Waves of calm water: sharp, periodic, at rest beside what is static, smaller far away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from cinegan_cli.config import RenderConfig
from cinegan_cli.measure.loop import measure_loop
from cinegan_cli.stages.warp.waves import waves_of
from cinegan_cli.types import Mask, Motion, Photo
from tests.scenes import drift, noise_photo, photo_of, upper_half
from tests.stages.test_cycles import frames_of


def rippled(motion: Motion) -> Motion:
    return replace(motion, ripple=torch.ones(motion.velocity.shape[1:]))


def lake(h: int = 120, w: int = 160) -> tuple[Motion, torch.Tensor]:
    """Water below row 40 of [h, w], nearest at the bottom; and where it is seen, twice as large."""
    ripple = torch.zeros(h, w)
    ripple[40:] = 1
    nearness = ((torch.arange(h) - 40) / (h - 41)).clamp(0.01, 1)[:, None].expand(h, w)
    seen = torch.zeros(2 * h, 2 * w, dtype=torch.uint8)
    seen[80:] = 1
    return Motion(torch.zeros(2, h, w), "given", ripple=ripple, nearness=nearness), seen


def grainy(width: int, height: int) -> Photo:
    """Texture of all scales, down to the pixel."""
    grain = 5 * torch.randn(height, width, 3, generator=torch.Generator().manual_seed(1))
    smooth = noise_photo(width, height).pixels_u8
    return photo_of((smooth + grain).round().clamp(0, 255).to(torch.uint8))


def test_promises_of_the_loop_hold() -> None:
    photo = grainy(256, 192)
    mask = upper_half(photo)
    frames = frames_of(photo, mask, rippled(drift(photo, 5.0)), RenderConfig(seconds=2.0, fps=15.0))
    report = measure_loop(frames, photo=photo.pixels_u8.numpy(), mask=mask.alpha.numpy())
    assert np.array_equal(frames[0], photo.pixels_u8.numpy())
    assert report.static_error == 0
    assert report.typical > 0.2
    assert 0.7 < report.seam < 1.3
    assert all(0.9 < texture < 1.1 for texture in report.texture)


def test_the_same_moment_has_the_same_frame_at_any_rate() -> None:
    photo = noise_photo()
    motion = rippled(drift(photo, 5.0))
    slow, fast = (
        frames_of(photo, upper_half(photo), motion, RenderConfig(seconds=2.0, fps=fps)) for fps in (6.0, 12.0)
    )
    assert all(np.abs(one.astype(int) - other).max() <= 1 for one, other in zip(slow, fast[::2], strict=True))


def test_waves_are_periodic_and_never_fold_the_picture() -> None:
    motion, seen = lake()
    waves = waves_of(motion, seen, 4.0)
    moments = [origins.offsets[0] for origins in waves.origins(24)]
    assert not bool(moments[0].any())
    assert all(origins.weight == 0 for origins in waves.origins(3))
    for offsets in moments:
        down = offsets[1].diff(dim=0)
        assert float(down.min()) > -1  # else rows would change places


def test_waves_rest_at_the_edge_and_shrink_with_distance() -> None:
    motion, seen = lake()
    offsets = torch.stack([origins.offsets[0] for origins in waves_of(motion, seen, 4.0).origins(12)])
    size = offsets.norm(dim=1).amax(0).mean(1)  # [h]
    assert size[:40].max() == 0
    assert size[41] < 0.1 * size[80]
    assert size[60] < 0.6 * size[110]


def test_flow_and_waves_share_a_picture() -> None:
    """Half of it ripples and half flows; only the flow is seen to travel."""
    photo = noise_photo(256, 192)
    motion = drift(photo, 30.0)
    ripple = torch.zeros(motion.velocity.shape[1:])
    ripple[:, :64] = 1
    mask = Mask(torch.ones(192, 256), "given")
    frames = frames_of(photo, mask, replace(motion, ripple=ripple), RenderConfig(seconds=2.0, fps=8.0))
    plain = frames_of(photo, mask, motion, RenderConfig(seconds=2.0, fps=8.0))
    assert np.array_equal(frames[0], photo.pixels_u8.numpy())
    assert np.abs(frames[4][:, 150:].astype(int) - plain[4][:, 150:]).mean() < 1.5
    assert np.abs(frames[4][:, :100].astype(int) - plain[4][:, :100]).mean() > 3
