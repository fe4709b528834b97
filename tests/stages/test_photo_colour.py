"""Colours that a file tells without an ICC profile, and HDR."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.config import PhotoConfig
from cinegan_cli.stages.photo import light
from cinegan_cli.stages.photo.read import read_grey, read_photo
from tests.stages.test_photo import HEIGHT, WIDTH, picture, png_chunk

Floats = NDArray[np.float64]


def png_with(pixels: NDArray[np.generic], *chunks: bytes) -> bytes:
    """RGB [h, w, 3] of 8 or 16 bits as a PNG with more chunks."""
    data = cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, ::-1]))[1].tobytes()
    return data[:33] + b"".join(chunks) + data[33:]


def gamma(value: float) -> bytes:
    return png_chunk(b"gAMA", round(value * 100000).to_bytes(4, "big"))


def primaries(*numbers: float) -> bytes:
    return png_chunk(b"cHRM", b"".join(round(number * 100000).to_bytes(4, "big") for number in numbers))


def linear() -> Floats:
    """The light of `picture()`."""
    codes = picture() / 255
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def in_primaries(numbers: light.Chromaticities) -> Floats:
    """The light of `picture()` in other primaries of the same white, from their definition (no Bradford)."""

    def to_xyz(values: light.Chromaticities) -> Floats:
        columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in zip(values[::2], values[1::2], strict=True)])
        return columns[1:].T * np.linalg.solve(columns[1:].T, columns[0])

    return linear() @ (np.linalg.inv(to_xyz(numbers)) @ to_xyz(light.SRGB)).T


def coded(values: Floats, depth: int = 16) -> NDArray[np.generic]:
    peak = 2**depth - 1
    return (np.clip(values, 0, 1) * peak + 0.5).astype(np.uint16 if depth == 16 else np.uint8)


def worst(data: bytes | Path) -> float:
    """The largest error against `picture()`, of 255."""
    photo = read_photo(data, PhotoConfig())
    return float(np.abs(photo.pixels.numpy().transpose(1, 2, 0) * 255 - picture()).max())


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("value", [1.0, 1 / 1.8, 0.35])
def test_png_gamma(depth: int, value: float) -> None:
    assert worst(png_with(coded(linear() ** value, depth), gamma(value))) < (0.05 if depth == 16 else 4)


def test_the_gamma_of_srgb_changes_nothing() -> None:
    srgb = png_chunk(b"sRGB", b"\0")
    for chunks in ((gamma(0.45455),), (srgb, gamma(1.0)), (gamma(0.45455), primaries(*light.SRGB))):
        assert worst(png_with(picture(), *chunks)) < 1e-3


def test_png_primaries() -> None:
    data = png_with(coded(in_primaries(light.ADOBE_RGB) ** (256 / 563)), gamma(256 / 563), primaries(*light.ADOBE_RGB))
    assert worst(data) < 0.05
    data = png_with(coded(in_primaries(light.DISPLAY_P3) ** 0.5), gamma(0.5), primaries(*light.DISPLAY_P3))
    assert worst(data) < 0.05


def test_impossible_values_are_told() -> None:
    for chunk in (gamma(0), gamma(1000), primaries(0.3, 0.0, 0.6, 0.3, 0.6, 0.3, 0.6, 0.3)):
        photo = read_photo(png_with(picture(), chunk), PhotoConfig())
        assert np.array_equal(photo.pixels_u8.numpy(), picture())
        assert any("gAMA" in notice for notice in photo.notices)


def cicp(first: int, transfer: int) -> bytes:
    return png_chunk(b"cICP", bytes((first, transfer, 0, 1)))


def test_png_cicp_of_wide_gamut() -> None:
    p3 = in_primaries(light.DISPLAY_P3)
    codes = np.where(p3 <= 0.0031308, p3 * 12.92, 1.055 * np.maximum(p3, 1e-9) ** (1 / 2.4) - 0.055)
    assert worst(png_with(coded(codes), cicp(12, 13))) < 0.05
    assert worst(png_with(picture(), cicp(1, 13))) < 1e-3
    photo = read_photo(png_with(picture(), cicp(200, 13)), PhotoConfig())
    assert any("not known" in notice for notice in photo.notices)


def pq(nits: Floats) -> Floats:
    """ST 2084, from its text."""
    y = (np.maximum(nits, 0) / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def test_pq_without_highlights_is_the_sdr_picture() -> None:
    photo = read_photo(png_with(coded(pq(203 * in_primaries(light.BT2020))), cicp(9, 16)), PhotoConfig())
    assert np.abs(photo.pixels_u8.numpy().astype(int) - picture()).max() <= 1
    assert any("HDR" in notice for notice in photo.notices)


def test_highlights_roll_off_in_order() -> None:
    nits = np.repeat(np.geomspace(1, 4000, 256)[None, :, None], 32, axis=0).repeat(3, axis=2)
    found = read_photo(png_with(coded(pq(nits)), cicp(9, 16)), PhotoConfig()).pixels.numpy()[0, 16]
    assert (np.diff(found) >= 0).all(), "brighter stays brighter"
    assert found[-1] > 0.98
    above = found[nits[0, :, 0] > 203]
    assert np.unique(np.round(above * 255)).size > 10, "highlights keep their drawing"


def test_hlg_reference_white_is_near_white() -> None:
    flat = np.full((32, 32, 3), 0.75)  # BT.2408: reference white is at 75 % of HLG
    assert read_photo(png_with(coded(flat), cicp(9, 18)), PhotoConfig()).pixels.min() > 0.95
    dark = read_photo(png_with(coded(flat * 0.3), cicp(9, 18)), PhotoConfig()).pixels
    assert 0.1 < dark.mean() < 0.4


@pytest.mark.skipif(".avif" not in Image.registered_extensions(), reason="this Pillow has no AVIF")
def test_nclx_of_avif() -> None:
    buffer = io.BytesIO()
    Image.fromarray(coded(pq(203 * in_primaries(light.BT2020)), 8)).save(
        buffer, "AVIF", quality=100, subsampling="4:4:4"
    )
    data = buffer.getvalue()
    place = data.index(b"nclx") + 4
    told = data[:place] + bytes((0, 9, 0, 16)) + data[place + 4 :]
    photo = read_photo(told, PhotoConfig())
    assert any("HDR" in notice for notice in photo.notices)
    assert np.abs(photo.pixels_u8.numpy().astype(int) - picture()).mean() < 4
    assert np.abs(read_photo(data, PhotoConfig()).pixels_u8.numpy().astype(int) - picture()).mean() > 20


def camera_jpeg(folder: Path, name: str, space: int, index: str | None) -> Path:
    """`picture()` in Adobe RGB, as a camera's JPEG tells it."""
    exif = Image.Exif()
    exif[0x8769] = {0xA001: space} | ({} if index is None else {0xA005: {1: index}})
    image = Image.fromarray(coded(in_primaries(light.ADOBE_RGB) ** (256 / 563), 8))
    image.save(folder / name, quality=98, subsampling=0, exif=exif)
    return folder / name


@pytest.mark.parametrize(("name", "index"), [("a.jpg", "R03"), ("_IMG0001.JPG", None)])
def test_adobe_rgb_of_cameras(tmp_path: Path, name: str, index: str | None) -> None:
    photo = read_photo(camera_jpeg(tmp_path, name, 0xFFFF, index), PhotoConfig())
    assert np.abs(photo.pixels_u8.numpy().astype(int) - picture()).mean() < 2
    assert photo.notices == ()


def test_other_exif_colours(tmp_path: Path) -> None:
    srgb = read_photo(camera_jpeg(tmp_path, "_a.jpg", 1, "R98"), PhotoConfig())
    unsaid = read_photo(camera_jpeg(tmp_path, "b.jpg", 0xFFFF, None), PhotoConfig())
    assert np.array_equal(srgb.pixels_u8.numpy(), unsaid.pixels_u8.numpy()), "both are left as they are"
    assert np.abs(srgb.pixels_u8.numpy().astype(int) - picture()).mean() > 5
    assert srgb.notices == ()
    assert any("not sRGB" in notice for notice in unsaid.notices)


def test_masks_keep_their_values() -> None:
    grey = np.repeat(np.linspace(0, 255, WIDTH).astype(np.uint8)[None, :, None], HEIGHT, axis=0).repeat(3, axis=2)
    assert np.abs(read_grey(png_with(grey, gamma(1.0))) * 255 - grey[:, :, 0]).max() < 1e-3
