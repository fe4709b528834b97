"""Photo stage: every kind of file becomes the same upright sRGB picture; bad files give one clear line."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from cinegan_cli.config import PhotoConfig
from cinegan_cli.errors import CineganError, InputError, UsageError
from cinegan_cli.stages.photo.colour import parse_colour
from cinegan_cli.stages.photo.identify import MOST_PIXELS
from cinegan_cli.stages.photo.read import read_grey, read_photo
from cinegan_cli.stages.photo.window import parse_aspect

WIDTH, HEIGHT = 48, 32


def picture(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """A gradient whose corners all differ: [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    channels = (x / (width - 1) * 200 + 20, y / (height - 1) * 200 + 30, (x + y) / (width + height - 2) * 180 + 40)
    return np.stack(channels, axis=2).astype(np.uint8)


def saved(tmp_path: Path, name: str, image: Image.Image, **options: object) -> Path:
    path = tmp_path / name
    image.save(path, **options)
    return path


def pixels_of(path: Path, **settings: object) -> NDArray[np.uint8]:
    return read_photo(path, PhotoConfig(**settings)).pixels_u8.numpy()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.webp", "a.ppm"])
def test_lossless_files_keep_every_pixel(tmp_path: Path, name: str) -> None:
    options = {"lossless": True} if name.endswith("webp") else {}
    photo = read_photo(saved(tmp_path, name, Image.fromarray(picture()), **options), PhotoConfig())
    assert np.array_equal(photo.pixels_u8.numpy(), picture())
    assert np.abs(photo.pixels.numpy().transpose(1, 2, 0) * 255 - picture()).max() < 1e-4
    assert photo.pixels.is_contiguous()
    assert photo.size == (WIDTH, HEIGHT)
    assert photo.source_size == (WIDTH, HEIGHT)
    assert photo.window == (0, 0, WIDTH, HEIGHT)
    assert photo.notices == ()


def test_jpeg(tmp_path: Path) -> None:
    found = pixels_of(saved(tmp_path, "a.jpg", Image.fromarray(picture()), quality=95))
    assert np.abs(found.astype(int) - picture()).mean() < 3


def stored_as(orientation: int) -> NDArray[np.uint8]:
    """What a camera stores so that a viewer that honours the EXIF orientation shows `picture()`."""
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    return np.ascontiguousarray(undo(picture()))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_exif_orientation(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, name, Image.fromarray(stored_as(orientation)), exif=exif)
    assert np.array_equal(pixels_of(path), picture())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_of_16_bit_colour(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "deep.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    deep = stored_as(orientation).astype(np.uint16) * 257
    data = cv2.imencode(".png", cv2.cvtColor(deep, cv2.COLOR_RGB2BGR))[1].tobytes()
    chunk = exif.tobytes().removeprefix(b"Exif\0\0")
    path.write_bytes(data[:33] + png_chunk(b"eXIf", chunk) + data[33:])
    assert np.array_equal(pixels_of(path), picture())


def png_chunk(kind: bytes, content: bytes) -> bytes:
    import struct
    import zlib

    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_colour_keeps_its_precision(tmp_path: Path, name: str) -> None:
    deep = picture().astype(np.uint16) * 257 + 100
    path = tmp_path / name
    assert cv2.imwrite(str(path), cv2.cvtColor(deep, cv2.COLOR_RGB2BGR))
    photo = read_photo(path, PhotoConfig())
    assert np.abs(photo.pixels.numpy().transpose(1, 2, 0) * 65535 - deep).max() < 0.5
    assert np.array_equal(photo.pixels_u8.numpy(), picture())


def test_16_bit_with_alpha_is_composited(tmp_path: Path) -> None:
    deep = np.dstack([picture().astype(np.uint16) * 257, np.zeros((HEIGHT, WIDTH), np.uint16)])
    deep[:, WIDTH // 2 :, 3] = 65535
    path = tmp_path / "a.png"
    assert cv2.imwrite(str(path), cv2.cvtColor(deep, cv2.COLOR_RGBA2BGRA))
    found = pixels_of(path, background="#102030")
    assert (found[:, : WIDTH // 2] == (16, 32, 48)).all()
    assert np.array_equal(found[:, WIDTH // 2 :], picture()[:, WIDTH // 2 :])


def test_grey_kinds_agree(tmp_path: Path) -> None:
    grey = picture()[:, :, 0]
    wanted = np.repeat(grey[:, :, None], 3, axis=2)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    assert np.array_equal(pixels_of(saved(tmp_path, "8.png", Image.fromarray(grey))), wanted)
    assert np.array_equal(pixels_of(saved(tmp_path, "16.png", deep)), wanted)
    assert np.array_equal(pixels_of(saved(tmp_path, "16.tif", deep)), wanted)
    floats = Image.fromarray(grey.astype(np.float32) / 255)
    assert np.array_equal(pixels_of(saved(tmp_path, "f.tif", floats)), wanted)


def test_palette_one_bit_and_grey_alpha(tmp_path: Path) -> None:
    palette = Image.fromarray(picture()).quantize(256)
    assert np.array_equal(pixels_of(saved(tmp_path, "p.png", palette)), np.array(palette.convert("RGB")))
    bits = Image.fromarray(picture()).convert("1")
    assert set(np.unique(pixels_of(saved(tmp_path, "1.png", bits)))) == {0, 255}
    clear = Image.merge("LA", [Image.new("L", (WIDTH, HEIGHT), 80), Image.new("L", (WIDTH, HEIGHT), 0)])
    assert (pixels_of(saved(tmp_path, "la.png", clear), background="#0a0b0c") == (10, 11, 12)).all()


def test_transparency_in_palette(tmp_path: Path) -> None:
    palette = Image.new("P", (WIDTH, HEIGHT), 1)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    path = saved(tmp_path, "p.png", palette, transparency=1)
    assert (pixels_of(path) == 255).all()


def test_half_alpha_mixes_with_the_background(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.png", Image.new("RGBA", (WIDTH, HEIGHT), (200, 100, 0, 128)))
    assert np.abs(pixels_of(path, background="#000000")[0, 0].astype(int) - (100, 50, 0)).max() <= 1


def test_cmyk_jpeg(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.jpg", Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0)), quality=95)
    photo = read_photo(path, PhotoConfig())
    assert np.abs(photo.pixels_u8.numpy()[0, 0].astype(int) - (255, 0, 0)).max() < 8
    assert any("CMYK" in notice for notice in photo.notices)


def swapped_profile() -> bytes:
    """sRGB with its red and green primaries exchanged: a conversion that cannot be missed."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for place in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12):
        name = bytes(data[place : place + 4])
        data[place : place + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(name, name)
    return bytes(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_icc_profile_is_applied(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (WIDTH, HEIGHT), (220, 40, 40)).convert(mode)
    red, green, _ = pixels_of(saved(tmp_path, "a.png", image, icc_profile=swapped_profile()))[0, 0]
    assert green > 200
    assert red < 80


def test_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = pixels_of(saved(tmp_path, "a.png", Image.fromarray(picture()), icc_profile=profile))
    assert np.abs(found.astype(int) - picture()).max() <= 1


@pytest.mark.parametrize("profile", [b"not a profile at all", swapped_profile()[:200]])
def test_broken_profile_is_a_notice(tmp_path: Path, profile: bytes) -> None:
    photo = read_photo(saved(tmp_path, "a.png", Image.fromarray(picture()), icc_profile=profile), PhotoConfig())
    assert np.array_equal(photo.pixels_u8.numpy(), picture())
    assert any("profile" in notice for notice in photo.notices)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_first_frame_of_an_animation(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("#ff0000", "#00ff00", "#0000ff")]
    path = saved(tmp_path, name, frames[0], save_all=True, append_images=frames[1:])
    photo = read_photo(path, PhotoConfig())
    assert np.abs(photo.pixels_u8.numpy()[5, 5].astype(int) - (255, 0, 0)).max() < 8
    assert any("3 frames" in notice for notice in photo.notices)


def test_odd_sides_lose_one_pixel_and_say_so(tmp_path: Path) -> None:
    photo = read_photo(saved(tmp_path, "a.png", Image.fromarray(picture(49, 33))), PhotoConfig())
    assert photo.size == (48, 32)
    assert photo.source_size == (49, 33)
    assert photo.window == (0, 0, 48, 32)
    assert np.array_equal(photo.pixels_u8.numpy(), picture(49, 33)[:32, :48])
    assert any("49x33" in notice and "48x32" in notice for notice in photo.notices)


@pytest.mark.parametrize(("size", "max_side"), [((120, 80), 60), ((121, 79), 61), ((300, 200), 100), ((64, 90), 45)])
def test_max_side(tmp_path: Path, size: tuple[int, int], max_side: int) -> None:
    photo = read_photo(saved(tmp_path, "a.png", Image.fromarray(picture(*size))), PhotoConfig(max_side=max_side))
    assert max(photo.size) in (max_side, max_side - 1)
    assert all(side % 2 == 0 for side in photo.size)
    assert abs(photo.size[0] / photo.size[1] - size[0] / size[1]) < 0.07
    assert any(f"--max-side {max_side}" in notice for notice in photo.notices)
    assert abs(float(photo.pixels.mean()) * 255 - picture(*size).mean()) < 1


def test_aspect_crop_takes_the_middle(tmp_path: Path) -> None:
    photo = read_photo(saved(tmp_path, "a.png", Image.fromarray(picture(128, 64))), PhotoConfig(aspect="1:1"))
    assert photo.size == (64, 64)
    assert photo.window == (32, 0, 64, 64)
    assert np.array_equal(photo.pixels_u8.numpy(), picture(128, 64)[:, 32:96])


def test_aspect_pad_keeps_the_whole_photo(tmp_path: Path) -> None:
    config = PhotoConfig(aspect="9:16", fit="pad", background="#010203")
    photo = read_photo(saved(tmp_path, "a.png", Image.fromarray(picture(72, 48))), config)
    assert photo.size == (72, 128)
    assert photo.window == (0, -40, 72, 128)
    assert np.array_equal(photo.pixels_u8.numpy()[40:88], picture(72, 48))
    assert (photo.pixels_u8.numpy()[:40] == (1, 2, 3)).all()


def test_aspect_pad_with_scaling_maps_corners(tmp_path: Path) -> None:
    config = PhotoConfig(aspect="1:1", fit="pad", max_side=64)
    photo = read_photo(saved(tmp_path, "a.png", Image.fromarray(picture(128, 64))), config)
    assert photo.size == (64, 64)
    assert photo.window == (0, -32, 128, 128)


def test_read_grey(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint16)
    found = read_grey(saved(tmp_path, "a.png", Image.fromarray(deep)))
    assert found.dtype == np.float32
    assert np.abs(found - deep / 65535).max() < 1e-5
    assert read_grey(saved(tmp_path, "w.png", Image.new("RGB", (1, 3), "white"))).tolist() == [[1.0]] * 3
    assert read_grey(saved(tmp_path, "t.png", Image.new("RGBA", (2, 2), (255, 255, 255, 0)))).max() == 0


def bad_files(folder: Path) -> dict[str, Path]:
    data = saved(folder, "good.png", Image.fromarray(picture())).read_bytes()
    jpeg = saved(folder, "good.jpg", Image.fromarray(picture(200, 200)), quality=95).read_bytes()
    contents = {
        "empty.png": b"",
        "cut.png": data[: len(data) // 2],
        "header.png": data[:20],
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "text.jpg": b"this is a letter, not a photo\n" * 20,
        "program.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\nshowpage\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.png").mkdir()
    saved(folder, "dot.png", Image.new("RGB", (1, 1)))
    saved(folder, "low.png", Image.new("RGB", (400, 10)))
    saved(folder, "strip.png", Image.new("RGB", (2000, 20)))
    names = [*contents, "folder.png", "dot.png", "low.png", "strip.png", "missing.png"]
    return {name: folder / name for name in names}


def test_bad_files_give_one_line(tmp_path: Path) -> None:
    for name, path in bad_files(tmp_path).items():
        with pytest.raises(InputError) as caught:  # warnings are errors in this suite
            read_photo(path, PhotoConfig())
        message = str(caught.value)
        assert name in message, message
        assert "\n" not in message, message
        assert len(message) > len(str(path)) + 20, message


def test_strip_can_be_cut(tmp_path: Path) -> None:
    path = saved(tmp_path, "strip.png", Image.new("RGB", (2000, 20)))
    assert read_photo(path, PhotoConfig(aspect="16:9")).size == (36, 20)


def test_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    header = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", b"\0\0\x80\0\0\0\x80\0\x08\x02\0\0\0")
    path = tmp_path / "bomb.png"
    path.write_bytes(header + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b""))
    assert MOST_PIXELS < 0x8000**2
    with pytest.raises(InputError, match="scale the picture down"):
        read_photo(path, PhotoConfig())


def test_heic_without_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(InputError, match=r"cinegan\[heic\]"):
        read_photo(path, PhotoConfig())


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    heif.from_pillow(Image.fromarray(picture(64, 64))).save(path, quality=95)
    assert np.abs(pixels_of(path).astype(int) - picture(64, 64)).mean() < 4


@pytest.mark.parametrize("text", ["16", "0:9", "a:b", "100:1", "-1:2"])
def test_bad_aspect(text: str) -> None:
    with pytest.raises(UsageError, match="--aspect"):
        parse_aspect(text)


@pytest.mark.parametrize("text", ["purple-ish", "#12345", "#gggggg", "rgb(300, 0, 0)", "#12345678", ""])
def test_bad_colour(text: str) -> None:
    with pytest.raises(UsageError, match="--background"):
        parse_colour(text)


@pytest.mark.parametrize("text", ["white", "#fff", "ffffff", " #FFFFFF ", "hsl(0, 100%, 100%)", "#ffffffff"])
def test_colours_in_many_notations(text: str) -> None:
    assert parse_colour(text) == (255, 255, 255)


def test_output_too_small(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.png", Image.fromarray(picture(64, 32)))
    with pytest.raises(CineganError, match="--max-side"):
        read_photo(path, PhotoConfig(max_side=16))
