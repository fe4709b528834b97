"""The way of the data: photo → mask → motion → bands → displacement → warp → frames → video. No mathematics here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import Full, Queue
from threading import Event, Thread

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cinegan_cli.config import Config, RunConfig
from cinegan_cli.errors import CheckError, UsageError
from cinegan_cli.evaluation.loop import LoopMeter, LoopReport
from cinegan_cli.stages.frames import composite, matte
from cinegan_cli.stages.inversion import dequantise, moving_layer, pyramid
from cinegan_cli.stages.mask import make_mask
from cinegan_cli.stages.motion import make_motion
from cinegan_cli.stages.photo import read_photo
from cinegan_cli.stages.pictures import keep_inputs
from cinegan_cli.stages.video import check_outputs, is_pattern, write_loop
from cinegan_cli.stages.video_outputs import Written, existing_frames
from cinegan_cli.stages.warp import warped_frames
from cinegan_cli.types import Mask, Motion, Photo

METER_SIDE = 1280  # px; of larger frames every second, third, ... pixel is measured: at 4K all would cost 8 s more

Progress = Callable[[str, int, int], None]  # (what is being done, steps done, steps in all; 0 when unknown)


@dataclass(frozen=True)
class Scene:
    """All that is known before the first frame is rendered."""

    photo: Photo
    mask: Mask
    motion: Motion

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know, in the order of the stages."""
        return (*self.photo.notices, *self.mask.notices, *self.motion.notices)


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

    Raises the errors of `cinegan_cli.errors`; after any of them no output is left behind. With `config.run.strict`,
    doubts about the mask raise `CheckError` before rendering.
    """
    started = time.perf_counter()
    check_plan(Path(photo), config)
    tell = progress or _silent
    scene = prepare(Path(photo), config, progress=tell)
    count = config.loop.frames
    stride = -(-max(scene.photo.size) // METER_SIDE)
    still, alpha = scene.photo.pixels_u8.numpy(), scene.mask.alpha.numpy()
    meter = LoopMeter(photo=still[::stride, ::stride], mask=alpha[::stride, ::stride], count=count)
    size, notices, confidence = scene.photo.size, scene.notices, scene.mask.confidence
    stages = {"mask": str(scene.mask.origin), "motion": str(scene.motion.origin), "bands": "pyramid"}
    frames = _watched(_counted(_ahead(render(scene, config)), count, tell), meter, stride)
    del scene  # 170 MB of a 4K photo that rendering does not need: `render` drops it too
    written = write_loop(frames, size=size, fps=config.loop.fps, count=count, config=config.video)
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


def check_plan(photo: Path, config: Config) -> None:
    """Refuse, before any work, outputs that cannot be written or would replace an input; see `check_outputs`."""
    read = input_files(photo, config)
    keep_inputs(config.video.out, read)
    check_outputs(config.video, fps=config.loop.fps)
    for pattern in filter(is_pattern, config.video.out):
        keep_inputs(existing_frames(pattern), read)


def input_files(photo: Path, config: Config) -> tuple[Path | None, ...]:
    """The files that a run reads, None for those not given."""
    return photo, config.mask.mask, config.mask.freeze, config.motion.motion, config.motion.hints


def prepare(photo_path: Path, config: Config, *, progress: Progress | None = None) -> Scene:
    """Read the photo, find what moves and where it moves. Raises `CheckError` for doubts under `config.run.strict`."""
    tell = progress or _silent
    photo, mask = find_mask(photo_path, config, progress=tell)
    tell("finding how it moves", 0, 0)
    return Scene(photo, mask, make_motion(photo, mask, config.motion))


def find_mask(photo_path: Path, config: Config, *, progress: Progress | None = None) -> tuple[Photo, Mask]:
    """The first stages alone. Raises `CheckError` for doubts under `config.run.strict`."""
    tell = progress or _silent
    device = set_up(config.run)
    tell("reading the photo", 0, 0)
    photo = read_photo(photo_path, config.photo)
    tell("finding what moves", 0, 0)
    mask = make_mask(photo, config.mask, device=device)
    if config.run.strict and mask.notices:
        raise CheckError(f"{photo_path}: {mask.notices[0]}")
    return photo, mask


def render(scene: Scene, config: Config) -> Iterator[NDArray[np.uint8]]:
    """Yield frame t = 0 … N-1, uint8 [H, W, 3], at memory that does not grow with N."""
    device = pick_device(config.run.device)
    photo = replace(scene.photo, pixels=scene.photo.pixels.to(device), pixels_u8=scene.photo.pixels_u8.to(device))
    mask = replace(scene.mask, alpha=scene.mask.alpha.to(device))
    motion = replace(scene.motion, velocity=scene.motion.velocity.to(device))
    with torch.inference_mode():
        layer, coverage, still = moving_layer(photo, mask), matte(mask), photo.pixels_u8
        del scene, photo, mask
        picture = dequantise(layer)
        region = (coverage > 0).to(torch.uint8)
        warped = warped_frames(picture, pyramid(picture), motion, region, config.loop)
        for frame in composite(still, coverage, layer, warped):
            yield frame.cpu().numpy()


def set_up(run: RunConfig) -> torch.device:
    """Threads and seed of this process, and the device to compute on."""
    if run.threads is not None:
        torch.set_num_threads(run.threads)
        cv2.setNumThreads(run.threads)
    torch.manual_seed(run.seed)
    return pick_device(run.device)


def pick_device(name: str) -> torch.device:
    """ "auto" is CUDA where it works, else the CPU. Raises `UsageError` for a device this machine does not have."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if not available[name]:
        raise UsageError(f"--device {name}: not available here (see `cinegan doctor`); leave it out to use the CPU")
    return torch.device(name)


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


def _silent(what: str, done: int, total: int) -> None:
    """Report nothing."""
