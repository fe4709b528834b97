"""What a run should say about its outputs: sizes, rates and lengths that players or formats do not take as asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cinegan_cli.config import Config, PhotoConfig
from cinegan_cli.stages.video.codecs import codec_of
from cinegan_cli.stages.video.levels import CODECS, PLAYABLE, is_playable, longest_side, required_level, who_stops

GIF_TICKS = 100  # a second: GIF counts in hundredths
TICK_ERROR = 2e-3  # of a hundredth: 33.33 frames/s are taken for 100/3
USUAL_SIDE = PhotoConfig().max_side  # px; a longer --max-side is taken as a wish for that size whatever plays it


def size_limit(config: Config) -> Callable[[tuple[int, int]], tuple[int, str]] | None:
    """The longest side that outputs of a size (width, height) may have for players to decode them, and why.

    None when nothing limits it: no output is a video, or the run asks for a side longer than the default.
    """
    given = (codec_of(path, config.video) for path in config.video.out)
    codecs = {codec for codec in given if codec is not None and codec in CODECS}
    if not codecs or config.photo.max_side > USUAL_SIDE:
        return None

    def limit(size: tuple[int, int]) -> tuple[int, str]:
        side, codec = min((longest_side(codec, size, config.render.fps), codec) for codec in codecs)
        name = CODECS[codec].name
        more = f"--max-side {USUAL_SIDE + 256}" + (" or --codec hevc" if codec == "h264" else "")
        return side, f"many players stop at {name} above level {PLAYABLE}; {more} gives more"

    return limit


def output_notices(config: Config, size: tuple[int, int]) -> tuple[str, ...]:
    """Notes on the outputs of a run whose frames have that size (width, height)."""
    return (*_length_notices(config), *_gif_notices(config), *_level_notices(config, size))


def _length_notices(config: Config) -> Iterator[str]:
    render = config.render
    made = render.frames / render.fps
    if abs(made - render.seconds) * render.fps <= 0.5 + 1e-6:  # the nearest whole number of frames
        return
    why = "a loop needs at least 3 frames"
    if render.loop == "pingpong":
        why = "--loop pingpong needs an even number of frames, at least 4"
    yield (
        f"The cycle is {made:.4g} s long, not {render.seconds:g} s: {why}; "
        f"at {render.fps:g} frames/s it has {render.frames}."
    )


def _gif_notices(config: Config) -> Iterator[str]:
    ticks = GIF_TICKS / config.render.fps
    if not any(path.suffix.lower() == ".gif" for path in config.video.out) or abs(ticks - round(ticks)) < TICK_ERROR:
        return
    even = sorted((GIF_TICKS / whole for whole in (int(ticks), int(ticks) + 1) if whole > 1), reverse=True)
    yield (
        f"GIF counts in hundredths of a second: at {config.render.fps:g} frames/s some frames stay longer than others; "
        f"--fps {' or '.join(f'{rate:.4g}' for rate in even)} is even."
    )


def _level_notices(config: Config, size: tuple[int, int]) -> Iterator[str]:
    for path in config.video.out:
        codec = codec_of(path, config.video)
        if codec is None or codec not in CODECS or is_playable(codec, size, config.render.fps):
            continue
        level = required_level(codec, size, config.render.fps)
        name = f"{CODECS[codec].name} of level {level.name}" if level else f"beyond every level of {CODECS[codec].name}"
        yield f"{path.name} is {name}: {who_stops(codec, level.name if level else None)}."
