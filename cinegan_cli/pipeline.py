"""The way of the data: photo → mask → motion → bands → displacement → warp → frames → video. No mathematics here."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.config import Config, VideoConfig
from cinegan_cli.errors import CheckError
from cinegan_cli.measure import LoopMeter, LoopReport, motion_findings
from cinegan_cli.plan import check_files, name_of, require_file
from cinegan_cli.scene import prepare
from cinegan_cli.session import Session
from cinegan_cli.stages.frames import composite, matte, on_host
from cinegan_cli.stages.photo import Framed
from cinegan_cli.stages.video import Written, output_notices, write_loop
from cinegan_cli.systems import choose_system, on_device
from cinegan_cli.types import PhotoSource, Scene
from cinegan_cli.values import checked_source

Pixel = TypeVar("Pixel", np.uint8, np.float32)

METER_SIDE = 1280  # px; of larger frames every second, third, ... pixel is measured: at 4K all would cost 8 s more


@dataclass(frozen=True)
class Summary:
    """What one run of `animate` did."""

    size: tuple[int, int]
    frames: int
    fps: float
    seconds: float
    took: float  # seconds of wall-clock time, to the last rename, from reading the photo, or from when it had been read
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


def animate(
    photo: str | PhotoSource, config: Config, session: Session | None = None, *, framed: Framed | None = None
) -> Summary:
    """Turn the photo (a file, an array, or a picture of Pillow) into a loop and write it to every `config.video.out`.

    `framed` is the photo as this run reads it, where it has been read. With a `session` its device, precision and
    threads are used, and models that it has opened are not opened again. Raises the errors of `cinegan_cli.errors`;
    after any of them no output is left behind. With `config.run.strict` doubts about the mask raise `CheckError` before
    rendering, and frames that are no clean loop before anything is written.
    """
    started = time.perf_counter()
    session = session or Session(config.run)
    source: PhotoSource = checked_source("the photo", photo)
    with session.at_work():
        check_files(source, config)  # these two refuse, before any work, what cannot be done
        system = choose_system(config, session).name
        scene = prepare(source, config, session, framed=framed)
        count = config.render.frames
        stride = _meter_stride(scene.photo.size)
        photo_pixels, alpha = scene.photo.pixels_u8.numpy(), scene.mask.alpha.numpy()
        # with a changing look nothing equals the photo
        static = None if scene.looks else _thinned(photo_pixels, stride)
        meter = LoopMeter(photo=static, mask=_thinned(alpha, stride), count=count)
        size, confidence = scene.photo.size, scene.mask.confidence
        notices = scene.notices + output_notices(config, size)
        stages = {"mask": str(scene.mask.provenance), "motion": str(scene.motion.provenance), "bands": system}
        frames = _watched(_counted(_ahead(render(scene, config, session)), count, session), meter, stride)
        del scene, alpha  # 200 MB of a 4K photo that rendering does not need: `render` drops it too
        written = write_loop(
            frames,
            size=size,
            fps=config.render.fps,
            count=count,
            config=config.video,
            approve=(lambda: require_clean(meter.report(), config, source)) if config.run.strict else None,
        )
    return Summary(
        size=size,
        frames=count,
        fps=config.render.fps,
        seconds=count / config.render.fps,
        took=time.perf_counter() - started,
        outputs=written,
        loop=meter.report(),
        stages=stages,
        confidence=confidence,
        notices=notices,
    )


def frames(photo: PhotoSource, config: Config, session: Session) -> Generator[NDArray[np.uint8], None, None]:
    """Yield the frames of a photo's loop, uint8 [H, W, 3], as a folder of PNG would hold them; nothing is written.

    All work, from reading the photo on, is done while the caller waits for a frame; there is no thread that could
    outlive the generator. With `config.run.strict`, `CheckError` as `animate` raises it: for a doubtful mask before the
    first frame, for frames that are no clean loop after the last one.
    """
    config = replace(config, video=VideoConfig())  # as PNG files have no longest side either
    require_file(photo)
    choose_system(config, session)
    scene = prepare(photo, config, session)
    count, stride = config.render.frames, _meter_stride(scene.photo.size)
    meter = LoopMeter(mask=_thinned(scene.mask.alpha.numpy(), stride), count=count)
    with closing(render(scene, config, session)) as rendered:
        del scene
        watched = _watched(rendered, meter, stride) if config.run.strict else rendered
        yield from _counted(watched, count, session)
    if config.run.strict:
        require_clean(meter.report(), config, photo)


def require_clean(loop: LoopReport, config: Config, photo: PhotoSource) -> None:
    """Raise `CheckError` when the frames are not a clean loop. A dissolve's steps differ by design."""
    for finding in motion_findings(loop, exact=True) if config.render.loop == "flow" else ():
        if not finding.passed:
            raise CheckError(
                f"{name_of(photo)}: {finding.name}: {finding.sentence}; try --speed 0.5 or another --motion"
            )


def render(scene: Scene, config: Config, session: Session | None = None) -> Generator[NDArray[np.uint8], None, None]:
    """Yield frame t = 0 … N-1, uint8 [H, W, 3], at memory that does not grow with N (Eq. 4)."""
    session = session or Session(config.run)
    made = _frames(scene, config, session)
    del scene  # its pictures, which the frames do not need
    yield from session.steps(made)


def _frames(scene: Scene, config: Config, session: Session) -> Iterator[NDArray[np.uint8]]:
    scene = on_device(scene, session.device)
    coverage = matte(scene.mask)
    layers = choose_system(config, session).layer(scene, coverage, config, session)
    del scene
    yield from on_host(composite(layers, coverage))


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


def _counted(frames: Iterator[NDArray[np.uint8]], count: int, session: Session) -> Iterator[NDArray[np.uint8]]:
    for done, frame in enumerate(frames):
        session.tell("rendering", done, count)
        yield frame
    session.tell("rendering", count, count)


def _meter_stride(size: tuple[int, int]) -> int:
    return -(-max(size) // METER_SIDE)


def _thinned(picture: NDArray[Pixel], stride: int) -> NDArray[Pixel]:
    """About every `stride`-th pixel of each row and column, the same ones for every picture of one size."""
    if stride == 1:
        return picture
    height, width = picture.shape[:2]
    size = (-(-width // stride), -(-height // stride))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST))  # 8 times faster than a slice


def _watched(frames: Iterator[NDArray[np.uint8]], meter: LoopMeter, stride: int) -> Iterator[NDArray[np.uint8]]:
    for frame in frames:
        meter.add(_thinned(frame, stride))
        yield frame
