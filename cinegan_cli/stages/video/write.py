"""Video stage: frames become files, several at once, in one pass; nothing half-written is ever left behind."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinegan_cli.config import VideoConfig
from cinegan_cli.errors import OutputError, UsageError
from cinegan_cli.interrupts import signals_held, surely
from cinegan_cli.stages.video.codecs import check_codecs, codec_of
from cinegan_cli.stages.video.commit import commit_all
from cinegan_cli.stages.video.encoders import MASTER_SUFFIX, exact_rate, master_arguments
from cinegan_cli.stages.video.ffmpeg import FrameEncoder, ffmpeg_executable
from cinegan_cli.stages.video.names import (
    NUMBER_FIELD,
    SUFFIXES,
    existing_frames,
    known_kinds,
    parse_bytes,
    temporary_beside,
    writes_frames,
)
from cinegan_cli.stages.video.outputs import LoopFormat, Output, PngFolder, VideoFile, Written

FASTEST_GIF = 50.0  # frames/s: GIF counts in 1/100 s, and browsers slow a delay of one hundredth down to ten


def check_outputs(config: VideoConfig, *, fps: float | None = None) -> None:
    """Refuse, before any work, outputs that cannot be written.

    Raises `UsageError` for unknown kinds, bad patterns, doubles, a bad --max-bytes or --codec, GIFs over 50 frames/s;
    `OutputError` for existing files without `config.overwrite`, folders that cannot be written, and a missing ffmpeg.
    """
    if not config.out:
        raise UsageError(f"no output: name one with --out, such as --out loop.mp4 ({known_kinds()})")
    seen: set[Path] = set()
    for path in config.out:
        _check_kind(path, fps)
        place = path.absolute() if writes_frames(path) else Path(os.path.realpath(path))
        if place in seen:
            raise UsageError(f"{path}: named twice; give every output its own --out")
        seen.add(place)
        try:
            _check_place(path, config.overwrite)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}; choose another place") from error
    parse_bytes(config.max_bytes)
    if not all(map(writes_frames, config.out)):
        ffmpeg_executable()
    check_codecs(config)


def write_loop(
    frames: Iterable[NDArray[np.uint8]],
    *,
    size: tuple[int, int],
    fps: float,
    count: int,
    config: VideoConfig,
    approve: Callable[[], None] | None = None,
) -> tuple[Written, ...]:
    """Write one cycle of `count` frames, each uint8 [H, W, 3] RGB (NumPy, or a CPU tensor), to every `config.out`.

    `size` is (width, height). The frames are consumed once and never collected: memory does not depend on `count`.
    Outputs appear under their names only when all are complete and `approve` has not raised; after any error, also of
    `frames`, nothing is left.
    Raises `UsageError` and `OutputError` as `check_outputs` does, and `OutputError` when encoding fails.
    """
    check_outputs(config, fps=fps)
    form = LoopFormat(size, exact_rate(fps), count, config.repeat)
    cleanup = ExitStack()
    with surely(cleanup.close):
        try:
            with signals_held():
                for path in config.out:
                    _make_folder(path, cleanup)
                outputs = [_open(path, form, config, cleanup) for path in config.out]
                master_path = temporary_beside(config.out[0].absolute(), MASTER_SUFFIX)
                encoders = _with_master(outputs, master_path, form, cleanup)
            _feed(frames, encoders, form)
            for output in outputs:
                output.finish(master_path)
            if approve is not None:
                approve()
            return _commit(outputs, config)
        except OSError as error:
            raise _output_error(error, config.out[0]) from error


def _check_kind(path: Path, fps: float | None) -> None:
    if writes_frames(path):
        if len(NUMBER_FIELD.findall(path.name)) != 1 or "%" in NUMBER_FIELD.sub("", path.name):
            raise UsageError(f"{path}: PNG frames need one number field in the file name, such as frames/%04d.png")
        if NUMBER_FIELD.search(str(path.parent)):
            raise UsageError(f"{path}: the number field belongs in the file name, not in the folder's")
    elif path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: unknown kind of output {path.suffix or path.name!r}; use {known_kinds()}")
    if path.suffix.lower() == ".gif" and fps is not None and fps > FASTEST_GIF:
        raise UsageError(f"{path}: a GIF plays at most {FASTEST_GIF:g} frames/s; use --fps 25, or another kind")


def _check_place(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file in it, such as {path / 'loop.mp4'}")
    if not overwrite:
        _refuse_existing(path)
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise OutputError(f"{path}: {folder} is a file, not a folder; choose another place")
    with suppress(FileNotFoundError):  # but not: that the longest name we shall use is too long
        os.lstat(temporary_beside(path.absolute(), ".scratch.webm"))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: the folder {folder} cannot be written to; choose another place")


def _refuse_existing(path: Path) -> None:
    if writes_frames(path) and (frames := existing_frames(path)):
        raise OutputError(f"{path}: {min(frames)} exists; use --overwrite to replace it, or another folder")
    if os.path.lexists(path):
        raise OutputError(f"{path}: exists; use --overwrite to replace it, or another name")


def _make_folder(path: Path, cleanup: ExitStack) -> None:
    """Create missing parents, to be removed again (if still empty) when the run fails."""
    missing = [folder for folder in (path.absolute(), *path.absolute().parents) if not folder.exists()][1:]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        cleanup.callback(_remove_if_empty, folder)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # another output, or someone else, put something there


def _open(path: Path, form: LoopFormat, config: VideoConfig, cleanup: ExitStack) -> Output:
    output: Output
    if writes_frames(path):
        output = PngFolder(path, form)
    else:
        output = VideoFile(
            path,
            form,
            quality=config.quality,
            max_bytes=parse_bytes(config.max_bytes),
            codec=codec_of(path, config),
            encoder=config.encoder,
        )
    cleanup.callback(output.discard)
    return output


def _with_master(
    outputs: list[Output], master_path: Path, form: LoopFormat, cleanup: ExitStack
) -> list[Output | FrameEncoder]:
    """The outputs, and the encoder of the lossless intermediate if one of them is made from it."""
    if not any(isinstance(output, VideoFile) and output.needs_master for output in outputs):
        return [*outputs]
    cleanup.callback(master_path.unlink, missing_ok=True)
    master = FrameEncoder(master_path, outputs[0].path, size=form.size, rate=form.rate, arguments=master_arguments())
    cleanup.callback(master.abort)
    return [*outputs, master]


def _feed(frames: Iterable[NDArray[np.uint8]], encoders: list[Output | FrameEncoder], form: LoopFormat) -> None:
    shape = (form.size[1], form.size[0], 3)
    taken = 0
    for given in frames:
        frame = np.ascontiguousarray(given)
        if frame.shape != shape or frame.dtype != np.uint8:
            raise ValueError(f"frames must be uint8 {shape}, got {frame.dtype} {frame.shape}")
        for encoder in encoders:
            encoder.add(frame)
        taken += 1
    if taken != form.count:
        raise ValueError(f"frames must be {form.count}, got {taken}")
    for encoder in encoders:
        if isinstance(encoder, FrameEncoder):
            encoder.close()


def _commit(outputs: list[Output], config: VideoConfig) -> tuple[Written, ...]:
    if not config.overwrite:
        for output in outputs:
            _refuse_existing(output.path)  # it may have appeared during the run
    return commit_all(outputs)


def _output_error(error: OSError, path: Path) -> OutputError:
    place = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{path}: the disk is full; free some space or name another folder")
    return OutputError(f"{place}: cannot be written: {error.strerror or error}; choose another place")
