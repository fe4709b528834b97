"""Table dl-animation: clips made by DeepLandscape at the release's speeds, beside the pixel renderer and the truth.

Only the first frame of a clip is known to every row but the true one (DeepLandscape, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cinegan_cli.config import Config, InversionConfig
from cinegan_cli.errors import InputError
from cinegan_cli.evaluate.deeplandscape_judges import (
    COLUMNS,
    FEWEST_FRAMES,
    FRECHET_COLUMNS,
    RATE,
    LandscapeJudges,
    as_clip,
    moving_of,
    read_landscape_judges,
    set_distance,
    sky_flow,
    sky_of,
)
from cinegan_cli.evaluate.photos import spread
from cinegan_cli.evaluate.protocol import as_picture, mean_figures
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.files import temporary_folder
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.stages.video import Clip, Frame, find_clips, open_clip
from cinegan_cli.systems.deeplandscape import (
    CLOCK,
    HomographyMover,
    Inverted,
    Networks,
    Speed,
    enlarged,
    find_horizon,
    invert_pixels,
    open_networks,
    variant_named,
    wind,
    write_latents,
)
from cinegan_cli.types import Progress, Scene, silent

REAL: Speed = "x2.5"  # as fast as real clips
SPEEDS: tuple[Speed, ...] = ("manual", REAL)
TRUTH, PIXELS, ANIMATED = "the true clip", "pixel renderer", f"DeepLandscape, {REAL}, animated"
SEARCHED = ("variant", "steps", "perceptual")  # nothing reads them beside latents
EVERY = 10  # frames between those that go into a Fréchet distance
TABLE = (
    Column("method", "method"),
    *(Column(f"static_{column.key}", f"static {column.title}", column.digits) for column in COLUMNS),
    *COLUMNS,
    *FRECHET_COLUMNS,
    Column("fvd", "FVD↓", 1),
    Column("flow", "sky flow", 2),
    Column("pace", "over the true→1", 2),
)


@dataclass(frozen=True)
class Run:
    """What every clip is measured with: `options` of `Config.from_options` as typed, and `setup`, made from them."""

    options: Mapping[str, Any]
    setup: Config
    config: EvaluateConfig
    session: Session
    networks: Networks
    judges: LandscapeJudges

    def pixels(self, fps: float) -> Config:
        """That of the pixel renderer, which knows nothing of inversions."""
        own = {f.name for f in fields(InversionConfig)}
        others = {name: value for name, value in self.options.items() if name not in own}
        return Config.from_options(**others, backbone="pyramid", fps=fps)

    def animated(self, latents: Path, direction: str, fps: float) -> Config:
        """That of `cinegan animate --backbone deeplandscape --wind`."""
        found = {name: value for name, value in self.options.items() if name not in SEARCHED}
        whole = {**found, "backbone": "deeplandscape", "latents": latents, "fps": fps}
        return Config.from_options(**whole, wind=direction, wind_set=REAL)


@dataclass(frozen=True)
class Shot:
    """A clip's opening frames, the scene that the pixel renderer makes of the first, with its `setup`.

    `still` and `sky` bool [H, W]: where in the first frame nothing moves, and where its sky is.
    """

    clip: Clip
    frames: tuple[Frame, ...]
    setup: Config
    scene: Scene
    still: Tensor
    sky: Tensor


@dataclass
class Tally:
    """Figures of each method and clip; features of frames by (method, take, frame), of clips by (method, take).

    A take is a direction of the wind; distances of sets are computed for each take and frame, and averaged.
    """

    rows: list[dict[str, Value]] = field(default_factory=list)
    pictures: dict[tuple[str, str, int], list[Tensor]] = field(default_factory=dict)
    clips: dict[tuple[str, str], list[Tensor]] = field(default_factory=dict)
    true_flow: float | None = None  # of the clip that is being measured


def run_landscape_animation(
    paths: Sequence[Path], options: Mapping[str, Any], config: EvaluateConfig, *, progress: Progress = silent
) -> Results:
    """Every row on every clip; `paths` are videos, folders of frames, or folders of those.

    Clips in which the seer sees nothing that moves are left out; the notes say so. Raises InputError for clips that
    cannot be read.
    """
    setup = Config.from_options(**options)
    setup.require_read(system="deeplandscape")
    session = Session(setup.run, progress=progress)
    networks = open_networks(setup.inversion, session)
    judges = read_landscape_judges(config)
    run = Run(options, setup, config, session, networks, judges)
    clips = spread([open_clip(p, max_side=config.max_side, fps=config.fps) for p in find_clips(paths)], config.count)
    tally, left_out, used = Tally(), [], 0
    for done, clip in enumerate(clips):
        progress("animating the clips' first frames", done, len(clips))
        shot = _shot(clip, run)
        if isinstance(shot, str):
            left_out.append(f"left out: {shot}.")
            continue
        used += 1
        for method, take, frames in _takes(shot, run):
            _enter(tally, method, take, list(islice(frames, len(shot.frames))), shot, judges)
    if not used:
        raise InputError(f"no clip can be used: {' '.join(left_out)} Name clips of skies or water")
    title = "DeepLandscape: animations against real clips"
    notes = (
        f"{used} clips, frames of the first {config.compare:g} s; static: where the first frame shows no sky or water.",
        *left_out,
        *_notes_of(networks, setup, config),
        "Sky flow: thousandths of half the shorter side per 1/30 s.",
        *judges.notes,
        judges.set_note,
    )
    return Results(
        Table(title, TABLE, tuple(_means(tally, judges)), notes),
        Table(f"{title}, each", (Column("clip", "clip"), Column("wind", "wind"), *TABLE), tuple(tally.rows)),
    )


def _notes_of(networks: Networks, setup: Config, config: EvaluateConfig) -> list[str]:
    steps = setup.inversion.steps
    most = "" if steps is None else f", at most {steps} steps of each part"
    return [
        f"DeepLandscape: {networks.name}, {networks.side} px on the short side; {setup.inversion.variant}{most}; "
        f"mean of the winds {', '.join(spread(CLOCK, config.winds))}. "
        f"Its pictures are enlarged; in {ANIMATED!r} the photo's own detail rides along, as in `cinegan animate`."
    ]


def _shot(clip: Clip, run: Run) -> Shot | str:
    """Or why the clip cannot be used."""
    frames = tuple(clip.frames(max(FEWEST_FRAMES, 1 + round(run.config.compare * clip.fps))))
    if len(frames) < FEWEST_FRAMES:
        raise InputError(f"{clip.path}: has {len(frames)} frames, too few to see motion; name a longer clip")
    setup = run.pixels(clip.fps)
    try:
        scene = prepare(np.array(frames[0]), setup, run.session)
    except InputError as error:  # nothing moves
        return f"{clip.name} ({error})"
    sight = scene.mask.sight
    assert sight is not None  # neither mask nor motion was given
    still = ~moving_of(sight, clip.size, as_released=run.config.repo_compatible)
    return Shot(clip, frames, setup, scene, still, sky_of(sight, clip.size))


def _takes(shot: Shot, run: Run) -> Iterator[tuple[str, str, Iterator[Frame]]]:
    """Every method's frames of the clip, with the direction of its wind, "" where it has none."""
    yield TRUTH, "", iter(shot.frames)
    yield PIXELS, "", iter(render(shot.scene, shot.setup, run.session))
    way, steps = variant_named(run.setup.inversion.variant), run.setup.inversion.steps
    photo, still = shot.scene.photo.pixels, shot.still.float()
    inverted = invert_pixels(photo, still, run.networks, way, steps=steps, session=run.session)
    directions = spread(CLOCK, run.config.winds)
    for speed in SPEEDS:
        for direction in directions:
            yield f"DeepLandscape, {speed}", direction, blown(inverted, wind(direction, speed), shot)
    with temporary_folder("cinegan-evaluate-") as folder:
        latents = folder / "latents.safetensors"
        write_latents(latents, inverted.latents, run.networks.generator, run.networks.name)
        for direction in directions:
            setup = run.animated(latents, direction, shot.clip.fps)
            scene = prepare(np.array(shot.frames[0]), setup, run.session)
            yield ANIMATED, direction, iter(render(scene, setup, run.session))


@torch.no_grad()
def blown(inverted: Inverted, shifts: Tensor, shot: Shot) -> Iterator[Frame]:
    """Yield the generator's frames uint8 [H, W, 3], of the clip's size and rate; the first is n = 0."""
    codes = inverted.latents.codes
    mover = HomographyMover(codes.dynamic, shifts, find_horizon(shot.sky))
    for n in range(len(shot.frames)):
        maps = mover(n * RATE / shot.clip.fps)
        picture = inverted.generator.synthesize(codes.w, codes.static, maps)
        made = enlarged(picture.cpu(), shot.still.shape).clamp(0, 1)
        yield (made * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _enter(tally: Tally, method: str, take: str, frames: list[Frame], shot: Shot, judges: LandscapeJudges) -> None:
    """The figures of one clip; its frame 0 is known, and is not compared."""
    first = as_picture(shot.frames[0])
    if method == TRUTH:
        tally.pictures.setdefault(("", "", 0), []).append(judges.features(first))
    static, whole = [], []
    for n, frame in enumerate(frames):
        picture = as_picture(frame)
        if n:
            static.append(judges.distances(picture, first, shot.still))
            whole.append(judges.distances(picture, first))
        if n and n % EVERY == 0:
            tally.pictures.setdefault((method, take, n), []).append(judges.features(picture))
    if judges.video is not None:
        tally.clips.setdefault((method, take), []).append(judges.video(as_clip(frames)))
    flow = sky_flow(frames, shot.sky, shot.clip.fps)
    true = tally.true_flow = flow if method == TRUTH else tally.true_flow
    row: dict[str, Value] = {"method": method, "clip": shot.clip.name, "wind": take or None}
    row |= {f"static_{key}": value for key, value in mean_figures(static).items()} | mean_figures(whole)
    tally.rows.append(row | {"flow": flow, "pace": flow / true if flow is not None and true else None})


def _means(tally: Tally, judges: LandscapeJudges) -> Iterator[dict[str, Value]]:
    """A row for each method: means over clips and takes, and the distances of its sets."""
    for method in dict.fromkeys(str(row["method"]) for row in tally.rows):
        own = [row for row in tally.rows if row["method"] == method]
        numbers = [{k: v for k, v in row.items() if not isinstance(v, str)} for row in own]
        row: dict[str, Value] = {"method": method, **mean_figures(numbers)}
        real = tally.pictures.get(("", "", 0), [])
        sets = [made for (name, _, _), made in tally.pictures.items() if name == method]
        row |= mean_figures([judges.frechet(made, real) for made in sets])
        true = tally.clips.get((TRUTH, ""), [])
        takes = [made for (name, _), made in tally.clips.items() if name == method != TRUTH]
        if takes and len(true) > 1:
            row["fvd"] = sum(set_distance(made, true) for made in takes) / len(takes)
        yield row
