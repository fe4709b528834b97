"""Settings: what is taken for which, what is refused, and which settings a run would not read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import Field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cinegan_cli.config import PRESETS, Config, section_from, settings
from cinegan_cli.errors import UsageError
from cinegan_cli.training.settings import LoopSettings
from cinegan_cli.values import choices

PICTURE = np.zeros((4, 6), np.uint8)
FIELD = np.zeros((2, 3, 4), np.float32)
ARROW = (1.0, 2.0, 3.0, 4.0)
FIELDS: Mapping[str, Field[Any]] = {f.name: f for f, _ in settings()}


def option(config: Config, name: str) -> object:
    """The value of a setting, wherever it lies; its default where it was not given."""
    return config.options().get(name, FIELDS[name].default)


# ---- what is taken


@pytest.mark.parametrize(
    ("name", "given", "taken"),
    [
        ("seconds", np.float32(0.5), 0.5),
        ("seconds", np.float64(0.5), 0.5),
        ("seconds", np.int64(2), 2.0),
        ("seconds", Fraction(1, 2), 0.5),
        ("seconds", torch.tensor(0.5), 0.5),
        ("quality", np.int64(70), 70),
        ("quality", np.uint8(70), 70),
        ("quality", np.float64(70), 70),
        ("quality", 70.0, 70),
        ("strict", np.bool_(True), True),
        ("loop", np.str_("pingpong"), "pingpong"),
        ("arrow", np.array([ARROW, ARROW]), [[*ARROW], [*ARROW]]),
        ("arrow", [np.array(ARROW)], [[*ARROW]]),
        ("arrow", torch.tensor([ARROW]), [[*ARROW]]),
        ("arrow", ARROW, [[*ARROW]]),
        ("anchor", np.array([1, 2]), [[1.0, 2.0]]),
        ("arrow", [], ()),
        ("direction", 180, "180"),
        ("direction", np.float32(22.5), "22.5"),
        ("max_bytes", 5_000_000, "5000000"),
        ("max_bytes", np.int32(5_000_000), "5000000"),
        ("aspect", 1.5, "1.5:1"),
        ("aspect", "9:16", "9:16"),
        ("target", Path("other.jpg"), "other.jpg"),
        ("models", Path("set.safetensors"), "set.safetensors"),
        ("mask", "mask.png", "mask.png"),
        ("out", "loop.mp4", ["loop.mp4"]),
        ("out", Path("loop.mp4"), ["loop.mp4"]),
        ("backbone", "stylegan2", "stylecinegan"),
    ],
    ids=lambda value: str(value).replace("\n", " "),
)
def test_what_a_setting_takes(name: str, given: object, taken: object) -> None:
    config = Config.from_options(**{name: given})
    assert option(config, name) == taken
    assert Config.from_options(**json.loads(json.dumps(config.options()))) == config


@pytest.mark.parametrize("name", ["max-side", "max_side"])
def test_names_with_and_without_hyphens(name: str) -> None:
    assert Config.from_options(**{name: 100}).photo.max_side == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mask", PICTURE),
        ("mask", Image.fromarray(PICTURE)),
        ("mask", b"bytes of a PNG"),
        ("freeze", PICTURE),
        ("motion", FIELD),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_pictures_and_fields_in_memory_are_taken_as_they_are(name: str, value: Any) -> None:
    config = Config.from_options(**{name: value}, seconds=2)
    section = config.motion if name == "motion" else config.mask
    assert getattr(section, name) is value
    assert config.options() == {"seconds": 2.0}  # there is no file to name
    config.require_read(system="pyramid")


def test_a_picture_in_memory_is_not_decoded_to_look_at_it(tmp_path: Path) -> None:
    Image.fromarray(PICTURE).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        Config.from_options(mask=picture).options()
        assert picture.fp is not None  # Pillow closes the file once it has read the pixels


def test_a_mask_in_memory_is_a_mask() -> None:
    with pytest.raises(UsageError, match="--move sky: nothing reads it beside --mask"):
        Config.from_options(mask=PICTURE, move="sky").require_read(system="pyramid")


# ---- what is refused


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("seconds", "long"),
        ("seconds", True),
        ("seconds", np.bool_(True)),
        ("seconds", np.array([1.0, 2.0])),
        ("seconds", math.nan),
        ("seconds", math.inf),
        ("seconds", np.float32(np.nan)),
        ("seconds", 10**400),
        ("quality", 70.5),
        ("quality", np.float32(70.5)),
        ("quality", 10**400),
        ("strict", 1),
        ("strict", "yes"),
        ("loop", PICTURE),
        ("loop", ["flow"]),
        ("backbone", "stylegan3"),
        ("arrow", [(1, 2, 3)]),
        ("arrow", (1, 2, 3)),
        ("arrow", np.zeros((2, 3))),
        ("arrow", 5),
        ("background", 5),
        ("target", PICTURE),
        ("hints", PICTURE),
        ("mask_network", PICTURE),
        ("motion", b"bytes"),
        ("motion", Image.fromarray(PICTURE)),
        ("mask", 5),
        ("mask", np.uint8(5)),
        ("mask", "a\0b"),
        ("out", 5),
        ("out", [5]),
        ("out", PICTURE),
        ("colour", "red"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_a_setting_refuses_is_named_in_one_short_line(name: str, given: object) -> None:
    with pytest.raises(UsageError) as caught:
        Config.from_options(**{name: given})
    message = str(caught.value)
    assert name.replace("_", "-") in message
    assert "\n" not in message
    assert name == "colour" or len(message) < 250


RANGES = [
    (f, f.metadata[end], step)
    for f, _ in (*settings(), *settings(LoopSettings))
    for end, step in (("minimum", -1), ("maximum", 1))
    if end in f.metadata
]


@pytest.mark.parametrize(("f", "end", "step"), RANGES, ids=lambda value: getattr(value, "name", str(value)))
def test_every_range_holds_its_ends_and_nothing_beyond(f: Field[Any], end: float, step: int) -> None:
    kind = LoopSettings if f.name not in FIELDS else type(section_of(f.name))
    beyond = end + step if isinstance(end, int) else math.nextafter(end, step * math.inf)
    section_from(kind, {f.name: end})
    with pytest.raises(UsageError, match=f"--{f.name.replace('_', '-')} must be"):
        section_from(kind, {f.name: beyond})


def section_of(name: str) -> object:
    config = Config()
    sections = (config.photo, config.inversion, config.mask, config.motion, config.render, config.style, config.video)
    return next((section for section in sections if hasattr(section, name)), config.run)


def test_older_words_mean_words_of_today() -> None:
    for f, hint in settings():
        assert set(f.metadata.get("older", {}).values()) <= set(choices(hint)), f.name
        assert not set(f.metadata.get("older", {})) & set(choices(hint)), f.name


# ---- settings that a run would not read

REFUSED = [
    ({"fit": "pad"}, "pyramid", "--aspect"),
    ({"latents": "a.safetensors"}, "pyramid", "stylecinegan"),
    ({"refine": 5}, "pyramid", "stylecinegan"),
    ({"refine": 5, "latents": "a.safetensors"}, "stylecinegan", "--latents"),
    ({"inversion_index": 10}, "pyramid", "stylecinegan"),
    ({"inversion_index": 10, "latents": "a.safetensors"}, "stylecinegan", "--latents"),
    ({"variant": "MO"}, "pyramid", "deeplandscape"),
    ({"variant": "MO", "latents": "a.safetensors"}, "deeplandscape", "--latents"),
    ({"steps": 9}, "stylecinegan", "deeplandscape"),
    ({"steps": 9, "latents": "a.safetensors"}, "deeplandscape", "--latents"),
    ({"perceptual": "vgg.pth"}, "pyramid", "deeplandscape"),
    ({"perceptual": "vgg.pth", "latents": "a.safetensors"}, "deeplandscape", "--latents"),
    ({"wind": "3h"}, "pyramid", "deeplandscape"),
    ({"wind_set": "x4"}, "deeplandscape", "--wind"),
    ({"light": "night"}, "stylecinegan", "deeplandscape"),
    ({"light_cycle": True}, "pyramid", "deeplandscape"),
    ({"light_cycle": True, "light": "night"}, "deeplandscape", "--light"),
    ({"mode": "deep"}, "pyramid", "stylecinegan"),
    ({"warp_index": 12}, "stylecinegan", "--mode deep"),
    ({"warp_levels": "first"}, "stylecinegan", "--mode deep"),
    ({"no_residual": True}, "pyramid", "stylecinegan"),
    ({"precision": "float32"}, "pyramid", "stylecinegan"),
    ({"codec": "hevc", "out": "loop.gif"}, "pyramid", ".mp4"),
    ({"encoder": "nvenc", "out": "loop.gif"}, "pyramid", ".mp4"),
    ({"move": "sky", "mask": "mask.png"}, "pyramid", "--mask"),
    ({"blend": "linear", "warp": "rgb"}, "pyramid", "--warp inverse or coordinates or splat or backward"),
    ({"blend": "linear", "loop": "pingpong"}, "pyramid", "--loop flow or crossfade"),
    ({"blend": "linear", "mode": "deep"}, "stylecinegan", "--mode bands"),
    ({"cycles": "3", "warp": "rgb"}, "pyramid", "--warp inverse or coordinates or backward"),
    ({"cycles": "3", "loop": "crossfade"}, "pyramid", "--loop flow"),
    ({"cycles": "3", "mode": "deep"}, "stylecinegan", "--mode bands"),
    ({"fill": "paper", "warp": "backward"}, "pyramid", "--warp coordinates or splat or rgb"),
    ({"strength": 0.5}, "pyramid", "--target"),
    ({"cycle": True}, "pyramid", "--target"),
    ({"quality": 50, "out": "frames/%d.png"}, "pyramid", ".mp4"),
    ({"quality": 50, "out": "loop.apng"}, "pyramid", ".mp4"),
    ({"max_bytes": "5MB", "out": "frames/%d.png"}, "pyramid", ".apng"),
]


@pytest.mark.parametrize(("options", "system", "reader"), REFUSED, ids=str)
def test_a_setting_that_nothing_reads_is_refused_and_its_reader_named(
    options: dict[str, Any], system: str, reader: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Config.from_options(**options).require_read(system=system)
    message = str(caught.value)
    assert message.startswith("--" + next(iter(options)).replace("_", "-"))
    assert reader in message


@pytest.mark.parametrize(
    ("options", "system"),
    [
        ({}, "pyramid"),
        ({}, "stylecinegan"),
        ({"fit": "pad", "aspect": "1:1"}, "pyramid"),
        ({"refine": 5, "mode": "deep", "warp_index": 12, "no_residual": True}, "stylecinegan"),
        ({"variant": "MO", "steps": 9, "perceptual": "vgg.pth"}, "deeplandscape"),
        ({"quality": 50, "out": ["frames/%d.png", "loop.webm"]}, "pyramid"),
        ({"quality": 50}, "pyramid"),  # nothing is written yet, so everything may be
        ({"max_bytes": "5MB", "out": "loop.apng"}, "pyramid"),
        ({"strength": 0.5, "cycle": True, "target": "sunset"}, "pyramid"),
    ],
    ids=str,
)
def test_what_is_read_is_not_refused(options: dict[str, Any], system: str) -> None:
    Config.from_options(**options).require_read(system=system)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_preset_brings_may_go_unread(preset: str) -> None:
    Config.from_options(preset=preset, out="frames/%d.png").require_read(system="pyramid")


def test_a_default_that_is_typed_needs_no_reader() -> None:
    Config.from_options(mode="bands", quality=80, fit="crop", out="frames/%d.png").require_read(system="pyramid")


def test_every_setting_that_may_go_unread_is_refused_somewhere() -> None:
    tried = {(next(iter(options)), key) for options, _, _ in REFUSED for key in conditions(next(iter(options)))}
    assert tried == {(name, key) for name in FIELDS for key in conditions(name)}


def conditions(name: str) -> list[str]:
    return [key for key in ("needs", "unless", "read_by") if key in FIELDS[name].metadata]


def test_names_and_words_in_the_conditions_exist() -> None:
    facts = {"mode": "mode", "warp": "warp", "loop": "loop", "system": "backbone"}
    hints = {f.name: hint for f, hint in settings()}
    for f in FIELDS.values():
        for key in ("needs", "unless"):
            assert f.metadata.get(key, f.name) in FIELDS
        for fact, values in f.metadata.get("read_by", {}).items():
            known = choices(hints[facts[fact]]) if fact in facts else values
            assert fact in (*facts, "output")
            assert set(values) <= set(known), f.name
            assert fact != "output" or all(value.startswith(".") for value in values)
