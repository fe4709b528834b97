"""Homographies and the release's way of moving noise, against the authors' figures."""

from __future__ import annotations

import pytest
import torch

import cinegan_cli.systems.deeplandscape as dl
from tests.deeplandscape_tools import compare, figures, normal

FIGURES = figures()


@pytest.mark.parametrize("name", [name for name in FIGURES if name.startswith("homography_")])
def test_the_matrices_are_the_authors(name: str) -> None:
    _, direction, side, n = name.split("_")
    sky, ground = dl.homographies(dl.wind(f"{int(direction[1:])}h"), 0.6)
    matrix = sky if side == "sky" else ground
    compare(FIGURES[name], dl.homography_power(matrix, int(n)) - torch.eye(3))


@pytest.mark.parametrize("name", [name for name in FIGURES if name.startswith("warp_")])
def test_the_warp_is_the_authors(name: str) -> None:
    direction, n, *rest = name.split("_")[1:]
    horizon = {"horizon0": 0.0, "horizon1": 1.0, "cut": 0.62}.get(*rest) if rest else 0.6
    assert horizon is not None
    moved = dl.warp(normal(5600, 1, 1, 64, 64), dl.wind(f"{int(direction[1:])}h"), horizon, int(n))
    compare(FIGURES[name], moved[:, :, 38:41] if "cut" in rest else moved)


@pytest.mark.parametrize("side", [4, 32, 64, 256])
def test_noise_moves_as_the_authors_move_it(side: int) -> None:
    level = (side // 4).bit_length() - 1
    moved = dl.move_noise(normal(5200 + level, 1, 1, side, side), dl.wind("12h"), 0.6, 5, 256)
    compare(FIGURES[f"move_noise_{side}"], moved)
