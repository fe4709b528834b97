"""Random input to everything that parses: the answer, or one of our errors, and nothing else."""

from __future__ import annotations

import io
import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from cinegan_cli.config import MotionConfig, PhotoConfig
from cinegan_cli.errors import CineganError, InputError, UsageError
from cinegan_cli.stages.mask.given import read_given, read_mask
from cinegan_cli.stages.motion.files import FLO_MAGIC, read_motion_filled
from cinegan_cli.stages.motion.hints import strokes_of
from cinegan_cli.stages.photo.colour import parse_colour
from cinegan_cli.stages.photo.read import read_photo
from cinegan_cli.stages.photo.window import parse_aspect
from tests.stages.test_mask import plain

FEW = settings(
    max_examples=50, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXT = st.text(max_size=20)
NUMBERS = st.one_of(st.floats(), st.integers(), st.none(), TEXT)


@FEW
@given(st.one_of(TEXT, st.from_regex(r"#?[0-9a-f]{3,8}|(rgb|hsl|hsv)a?\([-0-9.,% ]*\)", fullmatch=True)))
def test_colours(text: str) -> None:
    with suppress(UsageError):
        assert all(0 <= part <= 255 for part in parse_colour(text))


@FEW
@given(st.one_of(TEXT, st.from_regex(r"[0-9.]{1,6}[:x/][0-9.]{1,6}", fullmatch=True)))
def test_aspects(text: str) -> None:
    with suppress(UsageError):
        assert 1 / 20 <= parse_aspect(text) <= 20


def _motion_is_whole(path: Path) -> None:
    with suppress(InputError):
        field, _ = read_motion_filled(path)
        assert field.shape[0] == 2
        assert field.isfinite().all()


@FEW
@example(b"\x80\x7f", 1, 1, True)  # a signalling NaN
@given(st.binary(max_size=200), st.integers(-2, 6), st.integers(-2, 6), st.booleans())
def test_flo_files(tmp_path: Path, data: bytes, width: int, height: int, fitting: bool) -> None:
    body = (data * 40)[: 8 * width * height] if fitting and data else data
    path = tmp_path / "m.flo"
    path.write_bytes(FLO_MAGIC + struct.pack("<ii", width, height) + body)
    _motion_is_whole(path)


@FEW
@given(
    arrays.arrays(
        st.sampled_from((np.float16, np.float32, np.float64, np.int8, np.int64, np.complex64, np.bool_)),
        arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5),
    ),
    st.integers(0, 400),
    st.binary(min_size=1, max_size=3),
)
def test_npy_files(tmp_path: Path, values: np.ndarray, place: int, wrong: bytes) -> None:
    path = tmp_path / "m.npy"
    np.save(path, values)
    _motion_is_whole(path)
    data = bytearray(path.read_bytes())
    data[place % len(data) : place % len(data) + len(wrong)] = wrong
    path.write_bytes(data)
    _motion_is_whole(path)


POINTS = st.one_of(st.lists(st.lists(NUMBERS, max_size=3), max_size=4), NUMBERS)
SHAPES = st.lists(
    st.one_of(
        NUMBERS,
        st.fixed_dictionaries(
            {"points": POINTS},
            optional={
                "shape_type": st.sampled_from(("polygon", "line", "circle", "rectangle", "mask", "point", None, 3)),
                "label": NUMBERS,
                "mask": TEXT,
            },
        ),
    ),
    max_size=3,
)


@FEW
@given(SHAPES, NUMBERS, NUMBERS, st.sampled_from(("utf-8", "utf-16", "utf-8-sig")))
def test_labelme_files(tmp_path: Path, shapes: list[Any], width: object, height: object, encoding: str) -> None:
    path = tmp_path / "a.json"
    drawing = {"shapes": shapes, "imageWidth": width, "imageHeight": height}
    path.write_bytes(json.dumps(drawing).encode(encoding))
    with suppress(CineganError):
        assert strokes_of(MotionConfig(hints=path), (60, 40))
    with suppress(CineganError):
        values = read_given(path, plain(60, 40), "--mask").values
        assert 0 <= values.min() <= values.max() <= 1


@FEW
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_bytes_as_hints_and_outlines(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    for read in (lambda: strokes_of(MotionConfig(hints=path), (60, 40)), lambda: read_mask(path)):
        with pytest.raises(CineganError):
            read()


@FEW
@example(np.full((2, 3), 1e300))
@given(
    arrays.arrays(
        st.sampled_from((np.uint8, np.uint16, np.int32, np.int64, np.float32, np.float64, np.bool_)),
        st.sampled_from(((2, 3), (3, 2, 3), (3, 2, 4), (1, 1), (2, 2, 2))),
    )
)
def test_random_label_arrays(values: np.ndarray) -> None:
    with suppress(InputError):
        shares, notices = read_mask(values)
        assert shares.shape == values.shape[:2]
        assert 0 <= shares.min() <= shares.max() <= 1
        assert all("\n" not in notice for notice in notices)


@FEW
@given(
    st.sampled_from(("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F")),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=12, max_size=12),
)
def test_random_label_pictures(mode: str, data: bytes, colours: bytes) -> None:
    image = Image.frombytes(mode, (4, 4), data * 8) if mode != "P" else Image.frombytes("L", (4, 4), data)
    if mode == "P":
        image = Image.fromarray(np.asarray(image) % 4)
        image.putpalette(list(colours))
    buffer = io.BytesIO()
    image.save(buffer, "TIFF" if mode in ("I", "F") else "PNG")
    for source in (image, buffer.getvalue()):
        shares, _ = read_mask(source)
        assert shares.shape == (4, 4)
        assert 0 <= shares.min() <= shares.max() <= 1


@FEW
@given(st.sampled_from(("PNG", "JPEG", "WEBP", "BMP", "GIF")), st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_damaged_photos(kind: str, place: int, wrong: bytes) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((24, 20), 90).save(buffer, kind)
    data = bytearray(buffer.getvalue())
    place %= len(data)
    data[place : place + len(wrong)] = wrong
    for bad in (bytes(data), bytes(data[:place])):
        with suppress(CineganError):
            assert read_photo(bad, PhotoConfig()).pixels.isfinite().all()
