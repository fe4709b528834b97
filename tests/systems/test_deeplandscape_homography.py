"""Homographies and the release's way of moving noise, against the authors' figures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import cinegan_cli.systems.deeplandscape as dl
from cinegan_cli.errors import InputError, UsageError
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


def test_powers_of_a_matrix() -> None:
    sky, ground = dl.homographies(dl.wind("12h"), 0.6)
    for matrix in (sky, ground):
        assert torch.equal(dl.homography_power(matrix, 0), torch.eye(3))
        half = dl.homography_power(matrix, 0.5)
        assert torch.allclose(half @ half, matrix, atol=1e-6)
        back = dl.homography_power(matrix, -2.25) @ dl.homography_power(matrix, 2.25)
        assert torch.allclose(back, torch.eye(3), atol=1e-5)


def test_shifts_have_gradients() -> None:
    shifts = dl.wind("2h").requires_grad_()
    dl.move_noise(normal(5200, 1, 1, 8, 8), shifts, 0.5, 3, 16).square().sum().backward()
    assert shifts.grad is not None
    assert (shifts.grad != 0).any()


def test_a_side_that_is_not_there_rests() -> None:
    assert torch.equal(dl.homographies(dl.wind("2h"), 0.0)[0], torch.eye(3))
    assert torch.equal(dl.homographies(dl.wind("2h"), 1.0)[1], torch.eye(3))


def test_a_batch_is_warped_as_each_alone() -> None:
    maps = normal(5600, 3, 1, 16, 24)
    whole = dl.warp(maps, dl.wind("2h"), 0.5, 4)
    assert torch.allclose(whole[1:2], dl.warp(maps[1:2], dl.wind("2h"), 0.5, 4))


def test_directions_are_mirrored() -> None:
    right, left = dl.wind("2h"), dl.wind("10h")
    assert torch.equal(left, right[[1, 0, 3, 2]] * torch.tensor([-1, 1]))


def test_sets_change_the_speed() -> None:
    assert torch.allclose(dl.wind("5h", "slow2") * 2, dl.wind("5h"))
    assert torch.allclose(dl.wind("5h", "x4"), dl.wind("5h") * 4)
    assert torch.allclose(dl.wind("12h", "x4"), dl.wind("12h") * 2)  # as released
    assert torch.allclose(dl.wind("3h", "selected")[0], torch.tensor([-0.009, -0.0009]))


def test_a_set_that_lacks_a_direction_says_what_it_has() -> None:
    with pytest.raises(UsageError, match=r"1h, 3h, 8h, 9h, 11h"):
        dl.wind("5h", "selected")


GOOD = "-0.004 0.001\n-0.004 0.001\n-0.001 0\n-0.001 0\n"


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "wind.txt"
    path.write_text("\n" + GOOD.replace(" ", "\t"))
    assert torch.allclose(dl.wind(path), torch.tensor([[-0.004, 0.001]] * 2 + [[-0.001, 0]] * 2))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        "\n".join(GOOD.splitlines()[:3]).encode(),
        (GOOD + "0 0\n").encode(),
        GOOD.replace("0.001", "0.001 0.002").encode(),
        GOOD.replace("-0.004", "west").encode(),
        GOOD.replace("-0.004", "nan").encode(),
        GOOD.replace("-0.004", "1e999").encode(),
        b"2 0\n-2 0\n0 0\n0 0\n",  # left and right change places
        b"1 0\n-1 0\n0 0\n0 0\n",  # they meet
        b"0 3\n0 3\n0 0\n0 0\n",  # the top comes below the horizon
        b"2 1\n-2 1\n2 -1\n-2 -1\n",  # half a turn, which nothing is half of
        b"\xff\xfe\x00\x01" * 20,
        b"\x00" * 64,
    ],
)
def test_a_bad_file_is_refused_by_one_line(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "wind.txt"
    path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        dl.wind(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.txt"):
        with pytest.raises(InputError):
            dl.wind(path)


def test_a_set_beside_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        dl.wind(tmp_path / "wind.txt", "x4")
