"""Looks without weights: targets, promises about sky and land, and odd pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.session import Session
from cinegan_cli.stages.look.apply import restyle
from cinegan_cli.stages.look.colour import from_oklab, hex_of, lab_of, parse_hex, to_linear, to_oklab, to_srgb
from cinegan_cli.stages.look.looks import COLOURS, FILE, LOOKS, Tone, read_named
from cinegan_cli.stages.look.statistics import gradient_correlation
from cinegan_cli.stages.look.target import parse_target
from cinegan_cli.types import Mask, Photo
from tests.scenes import noise_photo, photo_of

CPU = torch.device("cpu")


def landscape(width: int = 160, height: int = 120) -> tuple[Photo, Mask, Tensor]:
    """Blue sky with clouds over textured green land; its mask, and the land bool [H, W]."""
    texture = noise_photo(width, height).pixels.mean(0, keepdim=True) - 0.5
    sky = torch.tensor([0.45, 0.62, 0.85]).view(3, 1, 1) + 0.5 * texture
    land = torch.tensor([0.25, 0.36, 0.18]).view(3, 1, 1) + 0.8 * texture
    below = (torch.arange(height) >= height // 2).view(1, -1, 1).expand(3, height, width)
    picture = torch.where(below, land, sky).clamp(0, 1)
    share = (~below[0]).float()
    photo = photo_of((picture * 255).round().byte().permute(1, 2, 0).contiguous())
    return photo, Mask(share, "predicted", sky=share, water=torch.zeros_like(share)), below[0]


def lab_mean(picture: Tensor, where: Tensor) -> Tensor:
    return to_oklab(to_linear(picture))[:, where].mean(1)


def test_oklab_and_srgb_come_back() -> None:
    colours = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(to_srgb(from_oklab(to_oklab(to_linear(colours)))), colours, atol=1e-4, rtol=0)
    assert hex_of(lab_of("#336699")) == "#336699"


@pytest.mark.parametrize(("text", "rgb"), [("#ff8000", (1, 128 / 255, 0)), ("#f80", (1, 136 / 255, 0)), ("no", None)])
def test_hex_colours(text: str, rgb: tuple[float, float, float] | None) -> None:
    assert parse_hex(text) == (None if rgb is None else pytest.approx(rgb))


def test_targets_are_looks_colours_or_photos(tmp_path: Path) -> None:
    assert parse_target("Blue Hour").name == "blue-hour"
    assert parse_target("#336699").colour == pytest.approx((0.2, 0.4, 0.6))
    assert len(COLOURS) == 16
    assert all(parse_target(name).colour is not None for name in COLOURS)
    reference = tmp_path / "sunset at sea.png"
    reference.write_bytes(b"")
    assert parse_target(str(reference)).reference == reference
    with pytest.raises(UsageError, match="no look, no colour and no file; looks are sunset"):
        parse_target("sunsett")


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_says_what_becomes_of_sky_and_land(name: str) -> None:
    look = LOOKS[name]
    assert look.about
    assert look.land != Tone()
    assert look.sky is not None or look.sky_tone != Tone()


SUNSET = '[looks.sunset]\nabout = "red"\n[looks.sunset.land]\nlevel = 0.4\n'
SKY = '[looks.sunset.sky]\nramp = [[0, "#fcae5c"], [1.0, "#56598c"]]\n'


def test_looks_are_read_with_whole_numbers_as_floats_and_defaults(tmp_path: Path) -> None:
    look = read_named(FILE).looks["sunset"]
    assert look == LOOKS["sunset"]
    text = SUNSET + SKY + "glow_size = [1, 2]\n[colours]\n"
    (tmp_path / "looks.toml").write_text(text, encoding="utf-8")
    read = read_named(tmp_path / "looks.toml").looks["sunset"]
    assert read.land == Tone(level=0.4)
    assert read.sky is not None
    assert read.sky.glow_size == (1.0, 2.0)
    assert isinstance(read.sky.ramp[0][0], float)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("levl = 0.4", "looks.sunset.land.levl"),
        ("pull = 1.5", "looks.sunset.land.pull"),
        ("pull = nan", "looks.sunset.land.pull"),
        ("pull = true", "looks.sunset.land.pull"),
        ("pull = 1" + 400 * "0", ""),
        ('pull = "much"', "looks.sunset.land.pull"),
        ("light = 3", "looks.sunset.land.light"),
        ('light = "reddish"', "looks.sunset.land.light"),
        ("shadows = [0.1]", "looks.sunset.land.shadows"),
        ("shadows = [0.1, 9]", "looks.sunset.land.shadows[1]"),
        ("limits = [1.2, 0.5]", "looks.sunset.land.limits"),
        ("colours = 3", "looks.sunset.land.colours"),
        ("foliage = {light_hue = 1, dark_hue = 2}", "looks.sunset.land.foliage.chroma"),
        ("[looks.sunset.sky]", "looks.sunset.sky.ramp"),
        (SKY.replace("[1.0", "[0.0"), "looks.sunset.sky.ramp"),
        ("[looks.night]", "looks.night.about"),
        ("[looks.night", ""),
    ],
)
def test_a_look_that_is_wrong_is_named(tmp_path: Path, more: str, named: str) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(SUNSET + "[colours]\n", encoding="utf-8")
    bad.write_text(SUNSET + more + "\n[colours]\n", encoding="utf-8")
    assert list(read_named(good).looks) == ["sunset"]
    with pytest.raises(InputError, match=r"bad\.toml") as raised:
        read_named(bad)
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_look_file_that_cannot_be_read_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml"):
        read_named(tmp_path / "none.toml")


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_changes_the_picture_and_keeps_the_lands_structure(name: str) -> None:
    photo, mask, land = landscape()
    styled = restyle(photo, mask, parse_target(name), session=Session())
    assert styled.shape == photo.pixels.shape
    assert bool(styled.isfinite().all())
    assert 0 <= float(styled.min()) <= float(styled.max()) <= 1
    assert float((styled - photo.pixels).abs().mean()) > 0.01
    inside = torch.zeros_like(mask.alpha)
    inside[land.shape[0] // 2 + 6 :] = 1
    assert gradient_correlation(photo.pixels, styled, inside) >= 0.98


def test_a_sunset_warms_the_sky_and_night_darkens_everything() -> None:
    photo, mask, land = landscape()
    sunset = restyle(photo, mask, parse_target("sunset"), session=Session())
    night = restyle(photo, mask, parse_target("night"), session=Session())
    assert lab_mean(sunset, ~land)[2] > lab_mean(photo.pixels, ~land)[2] + 0.05  # OKLab b: yellow against blue
    for where in (land, ~land):
        assert lab_mean(night, where)[0] < 0.75 * lab_mean(photo.pixels, where)[0]


def test_the_skys_colour_does_not_bleed_into_the_land() -> None:
    """Two skies of different looks, the same land: green stays green beside a red sky."""
    photo, mask, land = landscape()
    sunset = restyle(photo, mask, parse_target("sunset"), session=Session())
    beside, far = torch.zeros_like(land), torch.zeros_like(land)
    middle = land.shape[0] // 2
    beside[middle + 1 : middle + 5], far[-5:] = True, True
    assert (lab_mean(sunset, beside) - lab_mean(sunset, far))[1:].abs().max() < 0.04


@pytest.mark.parametrize("reference_colour", [(200, 90, 60), (60, 80, 160)])
def test_a_reference_photo_is_approached_by_more_than_half(
    tmp_path: Path, reference_colour: tuple[int, int, int]
) -> None:
    photo, mask, land = landscape()
    levels = (landscape()[0].pixels_u8.float() * 0.3 + torch.tensor(reference_colour) * 0.7).byte()
    cv2.imwrite(str(tmp_path / "reference.png"), np.ascontiguousarray(levels.numpy()[:, :, ::-1]))
    wanted = lab_mean(levels.permute(2, 0, 1).float() / 255, land | ~land)
    styled = restyle(photo, mask, parse_target(str(tmp_path / "reference.png")), session=Session())
    everywhere = land | ~land
    before = float((lab_mean(photo.pixels, everywhere) - wanted)[1:].norm())
    after = float((lab_mean(styled, everywhere) - wanted)[1:].norm())
    assert after < 0.5 * before


def test_a_colour_draws_the_sky_to_its_hue() -> None:
    photo, mask, land = landscape()
    styled = restyle(photo, mask, parse_target("#c04030"), session=Session())
    wanted = torch.tensor(lab_of("#c04030"))[1:]
    found = lab_mean(styled, ~land)[1:]
    assert float(torch.dot(found, wanted) / (found.norm() * wanted.norm())) > 0.9


def test_an_unreadable_reference_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "reference.png").write_bytes(b"no picture")
    photo, mask, _ = landscape(40, 30)
    with pytest.raises(InputError, match=r"reference\.png"):
        restyle(photo, mask, parse_target(str(tmp_path / "reference.png")), session=Session())


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (2, 64), (64, 48)])
def test_flat_and_tiny_pictures(level: int, size: tuple[int, int]) -> None:
    photo = photo_of(torch.full((size[1], size[0], 3), level, dtype=torch.uint8))
    share = torch.ones(size[1], size[0])
    for mask in (Mask(share, "given", share, 1 - share), Mask(share, "given", 1 - share, 1 - share)):
        for name in ("sunset", "night", "fog", "#336699"):
            styled = restyle(photo, mask, parse_target(name), session=Session())
            assert bool(styled.isfinite().all())
            assert 0 <= float(styled.min()) <= float(styled.max()) <= 1
