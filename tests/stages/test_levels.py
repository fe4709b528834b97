"""Sizes and rates that players decode: levels as the encoders write them, sizes that stay within, notes where not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinegan_cli.config import Config
from cinegan_cli.measure.boxes import read_tracks
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.stages.video import output_notices, size_limit, write_loop
from cinegan_cli.stages.video.levels import CODECS, is_playable, longest_side, required_level, who_stops


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize(
    ("size", "fps"),
    [((64, 48), 15), ((352, 288), 60), ((1280, 720), 30), ((1920, 1088), 60), ((720, 1600), 30), ((2560, 1440), 60)],
)
def test_levels_are_those_the_encoders_write(tmp_path: Path, codec: str, size: tuple[int, int], fps: float) -> None:
    frames = iter([np.zeros((size[1], size[0], 3), np.uint8)] * 3)
    config = Config.from_options(out=[tmp_path / "a.mp4"], codec=codec, quality=20)
    write_loop(frames, size=size, fps=fps, count=3, config=config.video)
    with (tmp_path / "a.mp4").open("rb") as file:
        _, (track,) = read_tracks(file)
    needed = required_level(codec, size, fps)
    assert track.picture is not None
    assert needed is not None
    assert track.picture.level == needed.name


@pytest.mark.parametrize(
    ("codec", "size", "fps", "level"),
    [
        ("h264", (3840, 2880), 30, "6"),
        ("h264", (3840, 2160), 30, "5.1"),
        ("h264", (4096, 2304), 26, "5.1"),
        ("h264", (4096, 2304), 30, "5.2"),  # 36,864 macroblocks, but more than 983,040 a second
        ("h264", (4098, 2304), 24, "6"),  # a macroblock that is begun is a whole one
        ("h264", (9000, 1000), 10, "6"),  # by its width alone
        ("hevc", (3840, 2160), 60, "5.1"),
        ("vp9", (3840, 2880), 30, "6"),
        ("av1", (3840, 2880), 30, "6"),
        ("av1", (2160, 4400), 24, "6"),
    ],
)
def test_levels_of_known_sizes(codec: str, size: tuple[int, int], fps: float, level: str) -> None:
    found = required_level(codec, size, fps)
    assert found is not None
    assert found.name == level
    assert is_playable(codec, size, fps) == (level in ("5.1",))
    assert bool(who_stops(codec, level)) == (level != "5.1")


def test_beyond_every_level() -> None:
    for codec in CODECS:
        assert required_level(codec, (40_000, 40_000), 30) is None
        assert not is_playable(codec, (40_000, 40_000), 30)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("fps", [1, 30, 59.94, 240])
def test_longest_side_fits_and_the_next_does_not(codec: str, fps: float) -> None:
    for size in ((4032, 3024), (3024, 4032), (3840, 2160), (3000, 3000), (3840, 194), (640, 480)):
        side = longest_side(codec, size, fps)
        scaled = tuple(2 * round(s * side / max(size) / 2) for s in size)
        assert is_playable(codec, scaled, fps)
        if side < max(size):
            larger = tuple(round(s * (side + 34) / max(size)) for s in size)  # two macroblocks and rounding
            assert not is_playable(codec, larger, fps)


@pytest.fixture(scope="module")
def phone_photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phone") / "phone.png"
    Image.new("RGB", (4032, 3024), (90, 120, 200)).save(path, compress_level=1)
    return path


def seen(photo: Path, **options: object) -> tuple[tuple[int, int], list[str]]:
    """The size of the output, and what is said about it."""
    config = Config.from_options(**options)
    picture = read_photo(photo, config.photo, limit=size_limit(config))
    return picture.size, [*picture.notices, *output_notices(config, picture.size)]


@pytest.mark.parametrize(
    "options",
    [
        {"out": ["a.mp4"]},
        {"out": ["a.gif", "a.mp4"], "fps": 25},
        {"out": ["a.webm"]},
        {"out": ["a.mp4"], "preset": "wallpaper"},
        {"out": ["a.mp4"], "aspect": "9:16", "fps": 60},
        {"out": ["a.mp4"], "aspect": "1:1", "fit": "pad"},
        {"out": ["a.mp4"], "codec": "hevc"},
        {"out": ["a.webm", "a.mp4"]},
    ],
)
def test_videos_are_limited_and_say_so(phone_photo: Path, options: dict[str, object]) -> None:
    size, notes = seen(phone_photo, **options)
    config = Config.from_options(**options)
    for path in config.video.out:
        codec = {".mp4": config.video.codec, ".webm": "vp9"}.get(path.suffix)
        assert codec is None or is_playable(codec, size, config.render.fps)
    assert len(notes) == 1
    assert f"{size[0]}x{size[1]}" in notes[0]
    assert "--max-side 4096" in notes[0]
    width, height = size
    wanted = {"9:16": 9 / 16, "1:1": 1.0}.get(str(options.get("aspect")), 4 / 3)
    assert width / height == pytest.approx(wanted, rel=0.002)


def test_sizes_asked_for_are_kept(phone_photo: Path) -> None:
    size, notes = seen(phone_photo, out=["a.mp4"], max_side=4032)
    assert size == (4032, 3024)
    assert len(notes) == 1
    assert "level 6" in notes[0]
    assert seen(phone_photo, out=["a.gif", "%d.png"], fps=25)[0] == (3840, 2880)
    assert seen(phone_photo, out=["a.mp4"], max_side=1920)[0] == (1920, 1440)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seconds": 1, "fps": 2}, "1.5 s"),
        ({"seconds": 0.1, "fps": 10, "loop": "pingpong"}, "0.4 s"),
        ({"seconds": 1.5, "fps": 10, "loop": "pingpong"}, "1.6 s"),
        ({"seconds": 1, "fps": 30, "out": ["a.gif"]}, "--fps 33.33 or 25"),
        ({"seconds": 1, "fps": 40, "out": ["a.gif"]}, "--fps 50 or 33.33"),
    ],
)
def test_lengths_and_rates_that_cannot_be_as_asked_are_told(options: dict[str, object], said: str) -> None:
    (note,) = output_notices(Config.from_options(**options), (64, 48))
    assert said in note


@pytest.mark.parametrize(
    "options",
    [
        {"seconds": 1, "fps": 3},
        {"seconds": 1.03, "fps": 29.97, "out": ["a.mp4", "a.webp"]},  # the nearest whole number of frames
        {"seconds": 1.4, "fps": 10, "loop": "pingpong"},
        {"preset": "gif", "out": ["a.gif"]},
        {"fps": 33.33, "seconds": 3, "out": ["a.gif"]},
    ],
)
def test_nothing_is_said_of_what_is_as_asked(options: dict[str, object]) -> None:
    assert output_notices(Config.from_options(**options), (64, 48)) == ()
