"""Methods against real clips: the first frame is the photo, the following ones are what should have come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import FRAME_RATE_OF_FILES, Config
from cinegan_cli.errors import InputError
from cinegan_cli.evaluate.baselines import BASELINES, Method, ablation_variants
from cinegan_cli.evaluate.photos import MASK_SUFFIXES, named
from cinegan_cli.evaluate.protocol import Judges, Scenery, as_picture, compare, hole_rate, mean_figures, read_judges
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.evaluate.tables import Column, Results, Table, Value
from cinegan_cli.files import temporary_folder
from cinegan_cli.measure import ClipMotion, Features, frechet_distance, measure_motion
from cinegan_cli.pipeline import render
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.stages.mask import read_for_photo
from cinegan_cli.stages.motion import SUFFIXES, read_motion
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.stages.video import Clip, find_clips, open_clip, write_pictures
from cinegan_cli.systems.stylecinegan import choose_models
from cinegan_cli.types import Progress, Scene, silent

FEWEST = 3  # frames that a loop, and a clip, must have
SLOWEST, FASTEST = 0.01, 20.0  # factors on the speed that `--speed` takes
LEAST_MOVING = 0.005  # of the picture: clips in which less moves are left out
COLUMNS = (
    Column("method", "method"),
    Column("static_lpips", "static LPIPS↓", 4),
    Column("static_ms_ssim", "static MS-SSIM↑", 4),
    Column("static_rmse", "static RMSE↓", 2, "levels of 255"),
    Column("static_psnr", "static PSNR↑", 1, "dB"),
    Column("motion_lpips", "motion LPIPS↓", 4),
    Column("motion_ms_ssim", "motion MS-SSIM↑", 4),
    Column("motion_rmse", "motion RMSE↓", 2, "levels of 255"),
    Column("motion_psnr", "motion PSNR↑", 1, "dB"),
    Column("fid", "FID↓", 1),
    Column("seam", "seam→1", 2, "usual steps"),
    Column("progress", "stall→1", 2),
    Column("pulse", "pulse↓", 2, "usual steps"),
    Column("texture", "texture→1", 3),
    Column("flicker", "flicker", 3),
    Column("static_error", "static error↓", 0, "levels of 255"),
    Column("holes", "holes↓", 4),
)


@dataclass(frozen=True)
class Case:
    """One clip ready for comparison. `options` name its photo's mask and motion for `Config.from_options`."""

    clip: Clip
    photo: Path
    scenery: Scenery
    options: Mapping[str, Any]
    speed: float  # mean of what moves, as a share of the longer side per second
    given: Clip | None = None  # the loop made elsewhere, of --frames


@dataclass
class Tally:
    """What has been measured so far: figures by method and clip, and the features for FID."""

    rows: dict[str, dict[str, dict[str, float | None]]] = field(default_factory=dict)
    pools: dict[str, Features] = field(default_factory=dict)

    def pool(self, method: str) -> Features:
        """The features of the frames by that method; "" for those of the clips."""
        return self.pools.setdefault(method, Features())

    def enter(self, method: str, clip: str, figures: dict[str, float | None]) -> None:
        self.rows.setdefault(method, {})[clip] = figures


def run_clips(
    paths: Sequence[Path],
    options: Mapping[str, Any],
    config: EvaluateConfig,
    *,
    ablation: bool = False,
    progress: Progress = silent,
) -> Results:
    """Every baseline, or with `ablation` every variant of Table 4, on every clip.

    `paths` are videos, folders of frames, or folders of those. `options` are those of `Config.from_options` common to
    all methods. Clips in which nothing moves are left out and named in the notes. Memory does not grow with the number
    of frames or clips. Raises InputError for unreadable clips, before anything is rendered, and when none is left.
    """
    session = Session(Config.from_options(**options).run)
    methods, skipped = choose_methods(ablation, options, session)
    clips = [open_clip(path, max_side=config.max_side, fps=config.fps) for path in find_clips(paths)]
    judges = read_judges(config)
    tally, left_out = Tally(), []
    with temporary_folder("cinegan-evaluate-") as folder:
        cases = []
        for done, clip in enumerate(clips):
            progress("measuring the clips", done, len(clips))
            case = _case(clip, folder, config)
            if isinstance(case, Case):
                cases.append(case)
            else:
                left_out.append(case)
        if not cases:
            raise InputError(f"no clip can be used: {'; '.join(left_out)}; name clips in which something moves")
        factor = {"speed": normalised_speed(cases, options, session)} if config.predicted else {}
        for done, case in enumerate(cases):
            progress("comparing", done, len(cases))
            _compare_all(case, methods, {**options, **factor}, config, judges, tally, session)
    title = "Ablation (Table 4)" if ablation else "Methods against real clips"
    notes = (*(f"left out: {reason}." for reason in left_out), *skipped, *_notes(config, cases, factor), *judges.notes)
    return Results(_means(tally, title, notes), _by_clip(tally, title))


def choose_methods(
    ablation: bool, options: Mapping[str, Any], session: Session
) -> tuple[tuple[Method, ...], tuple[str, ...]]:
    """The methods that can run, and a note for each that cannot. Raises ModelMissingError."""
    if not ablation:
        return BASELINES, ()
    generator = choose_models(Config.from_options(**options).inversion, session) is not None
    variants = ablation_variants(generator)
    skipped = [m.name for m in variants if m.needs_generator and not generator]
    notes = tuple(f"{name}: left out, it needs a generator (see `cinegan models`)." for name in skipped)
    return tuple(m for m in variants if m.name not in skipped), notes


def normalised_speed(cases: Sequence[Case], options: Mapping[str, Any], session: Session) -> float:
    """The factor that brings the mean predicted speed of the set to the measured one (section 5)."""
    found = 0.0
    for case in cases:
        config = Config.from_options(**options, fps=case.clip.fps)
        found += _mean_speed(prepare(case.photo, config, session).motion.velocity, case.scenery.moving)
    return min(FASTEST, max(SLOWEST, sum(case.speed for case in cases) / max(found, 1e-9)))


def _case(clip: Clip, folder: Path, config: EvaluateConfig) -> Case | str:
    """The clip's photo, mask and motion as files in `folder`; or why it cannot be used."""
    opening = list(clip.frames(FEWEST))
    if len(opening) < FEWEST:
        raise InputError(f"{clip.path}: has {len(opening)} frames, too few to see motion; name a longer clip")
    measured = measure_motion(clip.frames(max(FEWEST, round(config.window * clip.fps))), clip.fps)
    first = opening[0]
    photo, mask, motion = (folder / f"{clip.name}_{what}" for what in ("photo.png", "mask.png", "motion.npy"))
    write_pictures({photo: np.ascontiguousarray(first)})
    moving = _moving(clip, measured, photo, config)
    if moving.mean() < LEAST_MOVING:
        return f"{clip.name} ({moving.mean():.1%} of the picture moves)"
    write_pictures({mask: moving.astype(np.uint8) * np.uint8(255)})
    if config.motions is not None:
        motion = named(config.motions, clip.name, SUFFIXES)
    else:
        np.save(motion, measured.velocity / np.float32(FRAME_RATE_OF_FILES))
    speed = _mean_speed(read_motion(motion), moving)
    options = {} if config.predicted else {"mask": mask, "motion": motion}
    given = None if config.frames is None else _given_loop(config.frames, clip)
    return Case(clip, photo, Scenery(first, moving), options, speed, given)


def _mean_speed(velocity: Tensor, moving: NDArray[np.bool_]) -> float:
    """Of `velocity` [2, h, w] px of its grid per second where `moving` [H, W], as a share of the longer side."""
    h, w = velocity.shape[1:]
    inside = cv2.resize(moving.astype(np.uint8), (w, h), interpolation=cv2.INTER_NEAREST) > 0
    speeds = torch.hypot(*velocity)[torch.from_numpy(inside)]
    return float(speeds.mean()) / max(h, w) if len(speeds) else 0.0


def _given_loop(place: Path, clip: Clip) -> Clip:
    """The loop of that clip's photo at `place`: a video, a folder of frames, or in a folder the one of the same name.

    Raises InputError when there is none, or its rate differs: frames are compared by their number.
    """
    found = find_clips([place])
    path = next((path for path in found if path == place or path.stem == clip.name), None)
    if path is None:
        raise InputError(f"{place}: holds no loop for {clip.name}; call it {clip.name}.mp4")
    loop = open_clip(path, max_side=max(clip.size), fps=clip.fps if path.is_dir() else None)
    if abs(np.log(loop.size[0] / loop.size[1] * clip.size[1] / clip.size[0])) > 0.03:
        shapes = " px, the clip ".join(f"{w}x{h}" for w, h in (loop.size, clip.size))
        raise InputError(f"{path}: is {shapes}: another shape; make the loop from the clip's first frame")
    if abs(loop.fps / clip.fps - 1) > 0.02:
        raise InputError(f"{path}: has {loop.fps:g} frames per second, the clip {clip.fps:g}; make it at that rate")
    if sum(1 for _ in loop.frames(FEWEST)) < FEWEST:
        raise InputError(f"{path}: has fewer than {FEWEST} frames; a loop has more")
    return replace(loop, size=clip.size)


def _moving(clip: Clip, measured: ClipMotion, photo: Path, config: EvaluateConfig) -> NDArray[np.bool_]:
    """What moves, bool [H, W], from --masks or as measured."""
    if config.masks is None:
        return np.asarray(cv2.resize(measured.moving.astype(np.float32), clip.size) >= 0.5)
    path = named(config.masks, clip.name, MASK_SUFFIXES)
    return np.asarray(read_for_photo(path, read_photo(photo, Config().photo), "--masks") >= 0.5)


def _compare_all(
    case: Case,
    methods: Sequence[Method],
    options: Mapping[str, Any],
    config: EvaluateConfig,
    judges: Judges,
    tally: Tally,
    session: Session,
) -> None:
    """Every method on one clip."""
    scenes: dict[Any, Scene] = {}
    compared = max(FEWEST, 1 + round(config.compare * case.clip.fps))
    for method in methods:
        settings = {**options, "fps": case.clip.fps, **case.options, **method.options}
        if "move" in method.options:
            for given in ("mask", "mask_network"):
                settings.pop(given, None)
        setup = Config.from_options(**settings)
        key = (setup.mask, setup.motion, setup.inversion)
        if key not in scenes:
            scenes[key] = prepare(case.photo, setup, session)
        count = setup.render.frames
        still = repeat(case.scenery.photo, count)
        frames = iter(still) if method.still else render(scenes[key], setup, session)
        truth = case.clip.frames(min(compared, count))
        figures = compare(frames, truth, case.scenery, judges, count=count, pool=tally.pool(method.name))
        figures["holes"] = None if method.still else hole_rate(scenes[key].motion, case.scenery.moving, setup)
        tally.enter(method.name, case.clip.name, figures)
    if case.given is not None:
        total = sum(1 for _ in case.given.frames())
        truth = case.clip.frames(min(compared, total))
        pool = tally.pool("given frames")
        figures = compare(case.given.frames(), truth, case.scenery, judges, count=total, pool=pool)
        tally.enter("given frames", case.clip.name, figures)
    _compare_clip(case, compared, judges, tally)


def _compare_clip(case: Case, compared: int, judges: Judges, tally: Tally) -> None:
    """The clip itself as a last row: what its own noise and camera do to the same figures."""
    figures = compare(case.clip.frames(compared), None, case.scenery, judges, count=compared, loops=False)
    tally.enter("the clip itself", case.clip.name, figures)
    if judges.extractor is not None:
        pool, kept = tally.pool(""), torch.from_numpy(case.scenery.moving)
        for n, frame in enumerate(case.clip.frames(compared)):
            if n:
                pool.add(judges.extractor((as_picture(frame) * kept)[None]))


def _means(tally: Tally, title: str, notes: tuple[str, ...]) -> Table:
    rows: list[Mapping[str, Value]] = []
    for method, by_clip in tally.rows.items():
        row: dict[str, Value] = {"method": method, **mean_figures(list(by_clip.values()))}
        pool, real = tally.pools.get(method), tally.pools.get("")
        if pool is not None and real is not None and min(pool.count, real.count) > 1:
            row["fid"] = frechet_distance(pool, real)
        rows.append(row)
    return Table(title, COLUMNS, tuple(rows), notes)


def _by_clip(tally: Tally, title: str) -> Table:
    rows = [
        {"method": method, "clip": clip, **figures}
        for method, by_clip in tally.rows.items()
        for clip, figures in by_clip.items()
    ]
    return Table(f"{title}, each clip", (Column("clip", "clip"), *COLUMNS), tuple(rows))


def _notes(config: EvaluateConfig, cases: Sequence[Case], factor: Mapping[str, float]) -> tuple[str, ...]:
    area = sum(float(case.scenery.moving.mean()) for case in cases) / len(cases)
    notes = [f"{len(cases)} clips, {area:.0%} of the picture moves; frames of the first {config.compare:g} s compared."]
    if config.predicted:
        notes.append(f"Mask and motion predicted from the first frame; speed times {factor['speed']:.2f}.")
    else:
        notes.append("Mask and mean motion are the clip's own: they were measured on frames that are predicted here.")
    return tuple(notes)
