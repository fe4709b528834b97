"""Every setting of a run, once. The command line and the API are made from it; the sections are in `sections`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from cinegan_cli.errors import UsageError
from cinegan_cli.sections import (
    FRAME_RATE_OF_FILES,
    InversionConfig,
    MaskConfig,
    MotionConfig,
    PhotoConfig,
    Precision,
    RenderConfig,
    RunConfig,
    SampleConfig,
    StyleConfig,
    VideoConfig,
    WeatherConfig,
    setting,
)
from cinegan_cli.values import checked, is_array, is_picture

__all__ = [
    "FRAME_RATE_OF_FILES",
    "PRESETS",
    "PREVIEW",
    "Config",
    "InversionConfig",
    "MaskConfig",
    "MotionConfig",
    "PhotoConfig",
    "Precision",
    "RenderConfig",
    "RunConfig",
    "SampleConfig",
    "StyleConfig",
    "VideoConfig",
    "WeatherConfig",
    "section_from",
    "setting",
    "settings",
]

PRESETS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "web": {"max_side": 1280, "quality": 75, "max_bytes": "8MB"},
        "wallpaper": {"max_side": 3840, "quality": 92},
        # 12.5 frames/s is 8 hundredths a frame, exact in a GIF; at 15 the delays would alternate.
        "gif": {"max_side": 640, "fps": 12.5},
        "story": {"aspect": "9:16", "fit": "crop", "max_side": 1920, "quality": 85},
    }
)
PREVIEW: Mapping[str, object] = MappingProxyType({"max_side": 320, "fps": 12.0})


@dataclass(frozen=True)
class Config:
    """One run of `animate`, whole."""

    photo: PhotoConfig = PhotoConfig()
    inversion: InversionConfig = InversionConfig()
    mask: MaskConfig = MaskConfig()
    motion: MotionConfig = MotionConfig()
    weather: WeatherConfig = WeatherConfig()
    render: RenderConfig = RenderConfig()
    style: StyleConfig = StyleConfig()
    video: VideoConfig = VideoConfig()
    run: RunConfig = RunConfig()

    @classmethod
    def from_options(cls, **options: Any) -> Config:
        """The configuration for options named as on the command line (`max_side`, `out`, `speed`, ...).

        Names may have hyphens too. Numbers, points and words may be those of NumPy; `mask`, `freeze` and `motion` may
        be arrays or pictures of Pillow. A preset fills in what is not given. Raises `UsageError` for unknown names and
        for values out of range.
        """
        given = {name.replace("-", "_"): value for name, value in options.items() if value is not None}
        merged = {**PRESETS.get(str(given.get("preset")), {}), **given}
        sections = {f.name: section_from(type(f.default), merged) for f in fields(cls)}
        if merged:
            raise UsageError(
                f"unknown option {next(iter(merged))!r}; known are {', '.join(f.name for f, _ in settings())}"
            )
        return cls(**sections)

    def require_read(self, *, system: str) -> None:
        """Raise `UsageError` for a setting that this run would not read, naming what does. Defaults need no reader.

        `system` is the name of the system that was chosen. Settings that came with a preset may go unread.
        """
        facts: dict[str, set[str]] = {
            "system": {system},
            "mode": {self.inversion.mode},
            "warp": {self.render.warp},
            "loop": {self.render.loop},
            "output": {path.suffix.lower() for path in self.video.out},
        }
        given = dict(self._given())
        preset = PRESETS.get(str(self.video.preset), {})
        for name, extra in ((f.name, f.metadata) for f, _ in settings()):
            if name not in given or name in preset:
                continue
            option = "--" + name.replace("_", "-")
            if isinstance(given[name], str | int | float) and given[name] is not True:
                option += f" {given[name]}"
            if "unless" in extra and extra["unless"] in given:
                raise UsageError(f"{option}: nothing reads it beside --{extra['unless']}; leave one of them out")
            if "needs" in extra and extra["needs"] not in given:
                raise UsageError(
                    f"{option}: nothing reads it without --{extra['needs']}; give that too, or leave it out"
                )
            for fact, values in extra.get("read_by", {}).items():
                if facts[fact] and not facts[fact] & set(values):
                    raise UsageError(f"{option}: nothing in this run reads it; {_advice(fact, values, facts[fact])}")

    def options(self) -> dict[str, Any]:
        """What differs from the defaults, as plain values that `from_options` takes and JSON can hold.

        What was given as an array is left out: there is no file to name.
        """
        return {name: _plain(value) for name, value in self._given() if not (is_array(value) or is_picture(value))}

    def _given(self) -> Iterator[tuple[str, Any]]:
        """Name and value of every setting that differs from its default."""
        for section in fields(self):
            for f, _ in settings(type(section.default)):
                value = getattr(getattr(self, section.name), f.name)
                if is_array(value) or is_picture(value) or value != f.default:
                    yield f.name, value


def _advice(fact: str, values: tuple[str, ...], found: set[str]) -> str:
    """What reads a setting, and what this run has instead."""
    here = "/".join(sorted(found))
    if fact == "system":
        return (
            f"it is read by the system {' or '.join(values)}, which needs a generator (`cinegan models import`); "
            f"this run has {here}"
        )
    if fact == "output":
        return f"it is read for {', '.join(values)}; this run writes {here}"
    return f"it is read by --{fact} {' or '.join(values)}; this run has --{fact} {here}"


def section_from(kind: type, options: dict[str, Any]) -> Any:
    """One section made from the options it knows, which are taken out of `options`. Raises `UsageError`."""
    return kind(**{f.name: checked(f, hint, options.pop(f.name)) for f, hint in settings(kind) if f.name in options})


def settings(*kinds: type) -> Iterator[tuple[Field[Any], Any]]:
    """Every field of the given sections (of all by default) with its type."""
    for kind in kinds or tuple(type(section.default) for section in fields(Config)):
        hints = get_type_hints(kind)
        for f in fields(kind):
            yield f, hints[f.name]


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
