"""Indices of a GIF: mixtures are right on average, and what barely moves keeps its colours to the end of the loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cinegan_cli.stages.video.gif import coded_frames, tolerance_of

Frames = NDArray[np.uint8]


def shown(frames: Frames, quality: int, repeat: int = 1) -> tuple[Frames, Frames]:
    """What a GIF of the frames [N, H, W, 3] shows, and the indices."""
    height, width = frames.shape[1:3]
    found, places = [], []
    for data in coded_frames(lambda: iter(frames), len(frames), repeat, quality):
        coded = np.frombuffer(data, np.uint8)
        table = coded[height * width :].reshape(256, 4)
        places.append(coded[: height * width].reshape(height, width))
        assert table[255, 3] == 0
        assert (table[places[-1], 3] == 255).all()  # nothing is transparent by itself
        found.append(table[places[-1], 2::-1])
    return np.stack(found), np.stack(places)


def test_a_ramp_is_right_on_average() -> None:
    ramp = np.broadcast_to(np.linspace(60, 190, 256).astype(np.uint8)[None, None, :, None], (3, 64, 256, 3))
    found, _ = shown(np.ascontiguousarray(ramp), quality=1)  # 8 colours, 16 levels apart
    error = found.astype(float) - ramp
    assert np.abs(error.reshape(3, 8, 8, 32, 8, 3).mean((2, 4))[:, :, 2:-2]).max() < 6
    assert np.abs(error).max() > 8  # of single pixels


def test_one_colour() -> None:
    frames = np.full((3, 20, 30, 3), (200, 7, 90), np.uint8)
    assert (shown(frames, quality=80)[0] == frames).all()


def test_what_barely_moves_stays_and_what_moves_follows() -> None:
    rng = np.random.default_rng(0)
    frames = np.repeat(rng.integers(0, 250, (1, 24, 32, 3)).astype(np.uint8), 6, 0)
    frames[1::2, :12] += tolerance_of(80)
    frames[1::2, 12:] = 255 - frames[1::2, 12:]
    _, places = shown(frames, quality=80, repeat=2)
    assert (places[:, :12] == places[0, :12]).all()
    assert (places[0, 12:] != places[1, 12:]).mean() > 0.9
    assert (places[:6] == places[6:]).all()  # the second cycle is the first


def test_the_best_quality_follows_every_level() -> None:
    frames = np.full((4, 16, 16, 3), 100, np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None, None]
    found = shown(frames, quality=100)[0].astype(int)
    assert np.abs(found - frames).max() <= 1
    assert (found[0] < found[3]).all()
