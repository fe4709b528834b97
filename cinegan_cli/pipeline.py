"""The way of the data: photo → mask → motion → bands → displacement → warp → frames → video. No mathematics here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinegan_cli.config import Config
from cinegan_cli.errors import CheckError, UsageError
from cinegan_cli.evaluation.loop import LoopMeter, LoopReport
from cinegan_cli.evaluation.loop_check import motion_findings
from cinegan_cli.scene import Scene, input_files, on_device, pick_device, prepare, restyled, silent
from cinegan_cli.stages.frames import composite, matte
from cinegan_cli.stages.inversion import dequantise, moving_layer, pyramid, texture_kept
from cinegan_cli.stages.inversion_bands import generator_bands, zero_mean
from cinegan_cli.stages.inversion_generator import Inversion, as_picture
from cinegan_cli.stages.pictures import keep_inputs
from cinegan_cli.stages.style_cycle import Cycle, KeyLayers, composite_cycle
from cinegan_cli.stages.style_keys import KeyPicture
from cinegan_cli.stages.video import check_outputs, is_pattern, write_loop
from cinegan_cli.stages.video_outputs import Written, existing_frames
from cinegan_cli.stages.warp import warped_frames
from cinegan_cli.stages.warp_deep import deep_frames
from cinegan_cli.types import Bands, Progress

METER_SIDE = 1280  # px; of larger frames every second, third, ... pixel is measured: at 4K all would cost 8 s more


@dataclass(frozen=True)
class Summary:
    """What one run of `animate` did."""

    size: tuple[int, int]
    frames: int
    fps: float
    seconds: float
    took: float  # seconds of wall-clock time, from reading the photo to the last rename
    outputs: tuple[Written, ...]
    loop: LoopReport
    stages: dict[str, str]  # stage → given, predicted or default
    confidence: float  # of the mask
    notices: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """The same as plain values, for JSON."""
        values = asdict(self)
        for output in values["outputs"]:
            output["path"] = str(output["path"])
        return values


def animate(photo: str | Path, config: Config, *, progress: Progress | None = None) -> Summary:
    """Turn the photo into a loop and write it to every `config.video.out`.

    Raises the errors of `cinegan_cli.errors`; after any of them no output is left behind. With `config.run.strict`
    doubts about the mask raise `CheckError` before rendering, and frames that are no clean loop before anything is
    written.
    """
    started = time.perf_counter()
    check_plan(Path(photo), config)
    tell = progress or silent
    scene = prepare(Path(photo), config, progress=tell)
    count = config.loop.frames
    stride = -(-max(scene.photo.size) // METER_SIDE)
    still, alpha = scene.photo.pixels_u8.numpy(), scene.mask.alpha.numpy()
    static = None if scene.looks else still[::stride, ::stride]  # with a changing look nothing equals the photo
    meter = LoopMeter(photo=static, mask=alpha[::stride, ::stride], count=count)
    size, notices, confidence = scene.photo.size, scene.notices, scene.mask.confidence
    stages = {
        "mask": str(scene.mask.origin),
        "motion": str(scene.motion.origin),
        "bands": scene.backbone,
    }
    frames = _watched(_counted(_ahead(render(scene, config)), count, tell), meter, stride)
    del scene  # 170 MB of a 4K photo that rendering does not need: `render` drops it too
    written = write_loop(
        frames,
        size=size,
        fps=config.loop.fps,
        count=count,
        config=config.video,
        approve=(lambda: require_clean(meter.report(), config, Path(photo))) if config.run.strict else None,
    )
    return Summary(
        size=size,
        frames=count,
        fps=config.loop.fps,
        seconds=count / config.loop.fps,
        took=time.perf_counter() - started,
        outputs=written,
        loop=meter.report(),
        stages=stages,
        confidence=confidence,
        notices=notices,
    )


def require_clean(loop: LoopReport, config: Config, photo: Path) -> None:
    """Raise `CheckError` when the frames are not a clean loop. A dissolve's steps differ by design."""
    for finding in motion_findings(loop, exact=True) if config.loop.loop == "flow" else ():
        if not finding.passed:
            raise CheckError(f"{photo}: {finding.name}: {finding.sentence}; try --speed 0.5 or another --motion")


def check_plan(photo: Path, config: Config) -> None:
    """Refuse, before any work, outputs that cannot be written or would replace an input; see `check_outputs`."""
    read = input_files(photo, config)
    keep_inputs(config.video.out, read)
    check_outputs(config.video, fps=config.loop.fps)
    for pattern in filter(is_pattern, config.video.out):
        keep_inputs(existing_frames(pattern), read)


def render(scene: Scene, config: Config) -> Iterator[NDArray[np.uint8]]:
    """Yield frame t = 0 … N-1, uint8 [H, W, 3], at memory that does not grow with N."""
    scene = on_device(scene, pick_device(config.run.device))
    with torch.inference_mode():
        frames = _deep(scene, config) if config.inversion.mode == "deep" else _banded(scene, config)
        del scene
        for frame in frames:
            yield frame.cpu().numpy()


def _banded(scene: Scene, config: Config) -> Iterator[Tensor]:
    """Frames from bands: no network runs from here on."""
    coverage, motion, still = matte(scene.mask), scene.motion, scene.photo.pixels_u8
    region = (coverage > 0).to(torch.uint8)
    if scene.looks:
        cycle = Cycle(tuple(_key_layers(scene, look, coverage, config) for look in scene.looks), config.loop.frames)
        picture, bands = cycle.moving(0)
        warped = warped_frames(picture, bands, motion, region, config.loop, changing=cycle.moving)
        yield from composite_cycle(cycle, coverage, warped)
        return
    layer, picture, bands = _layer(scene, coverage, config)
    del scene
    kept = texture_kept(picture, layer, region)
    warped = warped_frames(picture, bands, motion, region, config.loop, kept=kept)
    yield from composite(still, coverage, layer, warped)


def _layer(scene: Scene, coverage: Tensor, config: Config) -> tuple[Tensor, Tensor, Bands]:
    """The moving layer, the same with its rounding undone, and the bands of that."""
    layer = moving_layer(scene.photo, scene.mask)
    picture = dequantise(layer)
    if scene.inversion is None:
        return layer, picture, pyramid(picture)
    return layer, picture, _of_generator(scene.inversion, picture, coverage, config)


def _key_layers(scene: Scene, look: KeyPicture, coverage: Tensor, config: Config) -> KeyLayers:
    whole = on_device(restyled(scene, look), coverage.device)
    layer, _, bands = _layer(whole, coverage, config)
    return KeyLayers(look.strength, whole.photo.pixels, layer, bands)


def _of_generator(inversion: Inversion, picture: Tensor, coverage: Tensor, config: Config) -> Bands:
    """The generator's bands of the moving layer; zero-mean where the blend keeps contrast."""
    known = (coverage >= 1).to(picture.dtype)
    bands = generator_bands(inversion.contributions, picture, known=known, residual=not config.inversion.no_residual)
    return zero_mean(bands) if config.loop.blend == "contrast" else bands


def _deep(scene: Scene, config: Config) -> Iterator[Tensor]:
    """Frames by the paper's literal path: features are warped, the generator's layers run on every one."""
    photo, inversion = scene.photo, scene.inversion
    if inversion is None:
        raise UsageError("--mode deep: needs a generator; install one with `cinegan models import`")
    if scene.looks:
        raise UsageError("--mode deep: renders one look; leave --cycle out, or --mode deep")
    size = (photo.size[1], photo.size[0])
    generator = inversion.models.generator().to(photo.pixels.device)
    residual = None
    if not config.inversion.no_residual:
        made = generator.sum_rgb(tuple(band[None] for band in inversion.contributions))
        residual = photo.pixels - as_picture(made, size)
    warped = deep_frames(
        generator,
        inversion.latents,
        scene.motion,
        residual,
        size=size,
        loop=config.loop,
        inversion=config.inversion,
    )
    yield from composite(photo.pixels_u8, matte(scene.mask), photo.pixels, warped)


def _ahead(frames: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """The same frames, rendered in a second thread: measuring and writing one overlaps with rendering the next."""
    waiting: Queue[NDArray[np.uint8] | BaseException | None] = Queue(maxsize=1)
    stopped = Event()

    def hand_over(item: NDArray[np.uint8] | BaseException | None) -> None:
        while not stopped.is_set():
            with suppress(Full):
                waiting.put(item, timeout=0.1)
                return

    def produce() -> None:
        try:
            for frame in frames:
                hand_over(frame)
                if stopped.is_set():
                    return
            hand_over(None)
        except BaseException as error:  # raised again where the frames are taken
            hand_over(error)

    thread = Thread(target=produce, name="cinegan render", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


def _counted(frames: Iterator[NDArray[np.uint8]], count: int, tell: Progress) -> Iterator[NDArray[np.uint8]]:
    for done, frame in enumerate(frames):
        tell("rendering", done, count)
        yield frame
    tell("rendering", count, count)


def _watched(frames: Iterator[NDArray[np.uint8]], meter: LoopMeter, stride: int) -> Iterator[NDArray[np.uint8]]:
    for frame in frames:
        meter.add(frame[::stride, ::stride])
        yield frame
