"""Masks as other programs write them: each is read as it is meant, and says so, or it is grey as ever."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.config import MaskConfig
from cinegan_cli.errors import InputError
from cinegan_cli.session import Session
from cinegan_cli.stages.mask.given import read_given
from cinegan_cli.stages.mask.make import make_mask
from cinegan_cli.types import Photo
from tests.stages.test_mask import photo_of

WIDTH, HEIGHT = 60, 40


def blank_photo(name: str = "photo.jpg") -> Photo:
    photo = photo_of(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    return Photo(photo.pixels, photo.pixels_u8, photo.source_size, photo.window, (), name)


def shape() -> NDArray[np.bool_]:
    """What is meant in every file below."""
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[10:30, 15:50] = True
    return inside


def as_classes(numbers: tuple[int, ...], dtype: type = np.uint8) -> Image.Image:
    """The shape in stripes of different class numbers on 0."""
    stripes = np.array(numbers)[np.arange(WIDTH) * len(numbers) // WIDTH]
    return Image.fromarray(np.where(shape(), stripes[None], 0).astype(dtype))


def indexed(colours: list[int], numbers: NDArray[Any]) -> Image.Image:
    image = Image.fromarray(numbers.astype(np.uint8), "L")
    image.putpalette(colours)
    return image


def painted(inside: tuple[int, ...], outside: tuple[int, ...]) -> Image.Image:
    return Image.fromarray(np.where(shape()[:, :, None], inside, outside).astype(np.uint8))


def cut_out() -> Image.Image:
    """A photo of many colours whose surroundings are transparent."""
    colour = np.random.default_rng(0).integers(20, 255, (HEIGHT, WIDTH, 3))
    return Image.fromarray(np.dstack([colour, shape() * 255]).astype(np.uint8))


def grey_cut_out() -> Image.Image:
    grey = np.random.default_rng(0).integers(20, 230, (HEIGHT, WIDTH))
    return Image.fromarray(np.dstack([grey, grey, grey, shape() * 255]).astype(np.uint8))


VOC = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
OTHERS = {
    "classes 0 and 1": as_classes((1,)),
    "classes 0, 1, 2": as_classes((1, 2)),
    "21 classes": as_classes((15, 20, 3)),
    "16-bit classes": as_classes((1,), np.uint16),
    "16-bit classes up to 150": as_classes((3, 149), np.uint16),
    "16-bit instances": as_classes((1001, 1002), np.uint16),
    "32-bit classes": as_classes((2, 3), np.int32),
    "8-bit values in 16 bits": as_classes((255,), np.uint16),
    "VOC palette": indexed(VOC, shape() * 1),
    "VOC palette of two": indexed(VOC, np.asarray(as_classes((1, 2)))),
    "palette without black": indexed([200, 200, 255, 255, 0, 0], shape() * 1),
    "VOC in RGB": painted((128, 0, 0), (0, 0, 0)),
    "red paint": painted((255, 40, 40), (0, 0, 0)),
    "cut-out": cut_out(),
    "grey cut-out": grey_cut_out(),
    "black on transparent": painted((0, 0, 0, 255), (0, 0, 0, 0)),
    "red on transparent": painted((255, 0, 0, 255), (255, 0, 0, 0)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_programs_masks_are_read_and_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / ("m.tif" if OTHERS[name].mode == "I" else "m.png")
    OTHERS[name].save(path)
    mask = make_mask(blank_photo(), MaskConfig(mask=path), session=Session())
    assert np.array_equal(mask.alpha.numpy(), shape().astype(np.float32))
    assert len(mask.notices) == 1
    assert path.name in mask.notices[0]
    everything = MaskConfig(move="everything", freeze=path)
    kept = make_mask(blank_photo(), everything, session=Session())
    assert np.array_equal(kept.alpha.numpy(), 1 - shape().astype(np.float32))
    assert kept.notices == mask.notices


USUAL = {
    "white on black": painted((255, 255, 255), (0, 0, 0)),
    "one bit": Image.fromarray(shape()),
    "16 bits": Image.fromarray((shape() * 65535).astype(np.uint16)),
    "floats": Image.fromarray(shape().astype(np.float32)),
    "indexed black and white": indexed([255, 255, 255, 0, 0, 0], ~shape() * 1),
    "white on transparent": painted((255, 255, 255, 255), (255, 255, 255, 0)),
    "opaque alpha": painted((255, 255, 255, 255), (0, 0, 0, 255)),
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_masks_need_no_word(tmp_path: Path, name: str) -> None:
    path = tmp_path / ("m.tif" if USUAL[name].mode == "F" else "m.png")
    USUAL[name].save(path)
    given = read_given(path, blank_photo(), "--mask")
    assert np.array_equal(given.values, shape().astype(np.float32))
    assert given.notices == ()


def test_unknown_pixels_of_labels_stay() -> None:
    labels = np.where(shape(), 2, 0).astype(np.uint8)
    labels[:5] = 255
    given = read_given(labels, blank_photo(), "--mask")
    assert np.array_equal(given.values, shape().astype(np.float32))
    assert "255 (unknown)" in given.notices[0]


def test_stray_dark_pixels_do_not_make_classes_of_a_mask() -> None:
    values = (shape() * 255).astype(np.uint8)
    values[0, :3] = (1, 2, 3)
    given = read_given(values, blank_photo(), "--mask")
    assert given.values[20, 30] == 1
    assert given.values[0, 2] == pytest.approx(3 / 255)
    assert given.notices == ()


def test_soft_paint_of_one_colour_keeps_its_softness() -> None:
    strength = np.clip((np.arange(WIDTH) - 20) / 10, 0, 1)[None].repeat(HEIGHT, axis=0)
    pixels = (strength[:, :, None] * (200, 30, 60) + 0.5).astype(np.uint8)
    many = (pixels + np.random.default_rng(0).integers(0, 6, pixels.shape)).astype(np.uint8)  # as JPEG leaves it
    given = read_given(many, blank_photo(), "--mask")
    assert np.abs(given.values - strength).max() < 0.06
    assert "one colour" in given.notices[0]


def test_greys_on_transparent_are_dimmed_by_both() -> None:
    layers = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    layers[:, :20], layers[:, 20:40] = 255, (128, 128, 128, 255)
    given = read_given(layers, blank_photo(), "--mask")
    assert given.values[5, [5, 25, 50]] == pytest.approx([1, 128 / 255, 0], abs=1e-5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((HEIGHT, WIDTH), 255), "same everywhere"),
        (np.full((HEIGHT, WIDTH), 90), "same everywhere"),
        (np.pad([[255]], ((0, HEIGHT - 1), (0, WIDTH - 1))), "nearly black"),
        (shape() * 90, "white nowhere"),
    ],
)
def test_doubtful_masks_are_told(values: NDArray[Any], words: str) -> None:
    given = read_given(values.astype(np.uint8), blank_photo(), "--mask")
    assert any(words in notice for notice in given.notices)


def test_a_photo_as_mask_is_told() -> None:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    sky = np.stack([90 + columns, 120 + rows, 200 + 0 * rows], axis=2).astype(np.uint8)
    assert any("in colour" in notice for notice in read_given(sky, blank_photo(), "--mask").notices)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.float32, np.int64])
def test_arrays(dtype: type) -> None:
    peak = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    given = read_given((shape() * peak).astype(dtype), blank_photo(), "--mask")
    assert np.array_equal(given.values, shape().astype(np.float32))


# outlines


def labelme(*shapes: dict[str, Any], size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    return json.dumps({"shapes": list(shapes), "imageWidth": size[0], "imageHeight": size[1]}).encode()


def outline(label: str = "lake", kind: str = "polygon", scale: float = 1) -> dict[str, Any]:
    corners = np.array([[15, 10], [50, 10], [50, 30], [15, 30]]) * scale
    points = corners if kind == "polygon" else corners[::2]
    return {"label": label, "shape_type": kind, "points": points.tolist()}


def bitmap() -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(np.full((20, 35), 255, np.uint8)).save(buffer, "PNG")
    return {**outline(kind="mask"), "mask": base64.b64encode(buffer.getvalue()).decode()}


LINE = {"label": "a", "shape_type": "line", "points": [[0, 0], [9, 9]]}
CVAT = (
    '<?xml version="1.0" encoding="utf-8"?><annotations><meta/><image id="0" name="{name}" width="60" height="40">'
    "{shapes}</image></annotations>"
)
POLYGON = '<polygon label="lake" points="15.0,10.0;50.0,10.0;50.0,30.0;15.0,30.0"/>'
BOX = '<box label="lake" xtl="15" ytl="10" xbr="50" ybr="30"/>'
RUNS = f'<mask label="lake" rle="0,{20 * 35}" left="15" top="10" width="35" height="20"/>'
OUTLINES = {
    "labelme polygon": labelme(outline()),
    "labelme rectangle": labelme(outline(kind="rectangle")),
    "labelme mask": labelme(bitmap()),
    "labelme of a larger picture": labelme(outline(scale=10), size=(10 * WIDTH, 10 * HEIGHT)),
    "labelme beside arrows and background": labelme(outline(), LINE, outline("_background_", "rectangle", 1.2)),
    "labelme of Windows": b"\xef\xbb\xbf" + labelme(outline()).replace(b", ", b",\r\n"),
    "labelme in UTF-16": labelme(outline("étang")).decode().encode("utf-16"),
    "CVAT polygon": CVAT.format(name="a.jpg", shapes=POLYGON).encode(),
    "CVAT box": CVAT.format(name="a.jpg", shapes=BOX).encode(),
    "CVAT mask": CVAT.format(name="a.jpg", shapes=RUNS).encode(),
}


@pytest.mark.parametrize("name", OUTLINES)
def test_outlines(tmp_path: Path, name: str) -> None:
    path = tmp_path / "outlines.any"
    path.write_bytes(OUTLINES[name])
    for source in (path, OUTLINES[name]):
        given = read_given(source, blank_photo(), "--mask")
        assert (given.values != shape()).mean() < 0.06, "up to the pixels that an edge runs through"
        assert any("1 outline" in notice for notice in given.notices)


def test_round_outlines() -> None:
    circle = {"label": "a", "shape_type": "circle", "points": [[30, 20], [40, 20]]}
    ellipse = CVAT.format(name="a", shapes='<ellipse label="a" cx="30" cy="20" rx="10" ry="10"/>').encode()
    for data in (labelme(circle), ellipse):
        assert read_given(data, blank_photo(), "--mask").values.sum() == pytest.approx(np.pi * 100, rel=0.08)


def test_cvat_of_several_pictures_takes_the_photos() -> None:
    one = '<image id="{n}" name="dir/{name}.png" width="60" height="40">{shapes}</image>'
    both = one.format(n=0, name="other", shapes=BOX.replace("15", "0")) + one.format(n=1, name="photo", shapes=BOX)
    data = f"<annotations>{both}</annotations>".encode()
    assert (read_given(data, blank_photo(), "--mask").values != shape()).mean() < 0.06
    with pytest.raises(InputError, match="2 pictures"):
        read_given(data, blank_photo("third.jpg"), "--mask")


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"shapes": 3}',
        labelme(),
        labelme(LINE),
        labelme({"points": [[1, 2], [3]]}),
        labelme({"points": [[1, 2], [float("nan"), 3]]}),
        labelme(outline(), size=(10**9, 10**9)),
        labelme({**bitmap(), "mask": "no base64"}),
        b"[" * 100_000,
        b"<svg/>",
        b"<annotations>",
        b"<annotations/>",
        CVAT.format(name="a", shapes="").encode(),
        CVAT.format(name="a", shapes='<polygon label="a" points="1,2;x,y"/>').encode(),
        CVAT.format(
            name="a", shapes='<mask label="a" rle="0,99999999" left="0" top="0" width="5" height="5"/>'
        ).encode(),
        b'<!DOCTYPE a [<!ENTITY b "c">]><annotations><image/></annotations>',
    ],
    ids=lambda data: str(data[:40]),
)
def test_wrong_outlines_are_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_given(path, blank_photo(), "--mask")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
