"""One class per way an output comes to be. Each writes beside its target and moves there only in `commit`."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cinegan_cli.errors import OutputError
from cinegan_cli.stages.video.commit import Moves
from cinegan_cli.stages.video.encoders import (
    encoder_arguments,
    gif_arguments,
    handed_over,
    output,
    own_input,
    repeat_arguments,
)
from cinegan_cli.stages.video.ffmpeg import FrameEncoder, feed_ffmpeg, run_ffmpeg
from cinegan_cli.stages.video.fit import CLOSE_ENOUGH, MOST_TRIES, next_quality
from cinegan_cli.stages.video.gif import coded_frames
from cinegan_cli.stages.video.names import existing_frames, frame_number, temporary_beside
from cinegan_cli.stages.video.read import read_frames

PNG_LEVEL = 1  # zlib: level 3 saves 4 % and takes twice as long
PNG_THREADS = 2


@dataclass(frozen=True)
class Written:
    """One output as it lies on disk: `bytes` of all its files, `quality` as used (None where it is lossless).

    `encoder` is ffmpeg's name of the hardware that made it, None for software.
    """

    path: Path
    bytes: int
    frames: int
    quality: int | None
    encoder: str | None = None


@dataclass(frozen=True)
class LoopFormat:
    """What all outputs of a run share: `size` (width, height), `rate` in frames/s, `count` N, cycles to write."""

    size: tuple[int, int]
    rate: Fraction
    count: int
    repeat: int


class Output(ABC):
    """Takes frames, is finished, and then moved to its place; or discarded at any time."""

    def __init__(self, path: Path, form: LoopFormat) -> None:
        self.path = path
        self.form = form

    def add(self, frame: NDArray[np.uint8]) -> None:  # noqa: B027  (outputs made from the master need no frames)
        """Take the next frame, contiguous uint8 [H, W, 3], which the caller may change afterwards."""

    @abstractmethod
    def finish(self, master: Path) -> None:
        """Complete the temporary; `master` is the lossless intermediate, there if any output asked for it."""

    @abstractmethod
    def commit(self, moves: Moves) -> Written:
        """Move the temporary to its place, by `moves`."""

    @abstractmethod
    def discard(self) -> None:
        """Stop and remove everything temporary; harmless after `commit`."""


class VideoFile(Output):
    """One file by ffmpeg: encoded as frames come, or afterwards from the master when that takes several passes."""

    def __init__(
        self,
        path: Path,
        form: LoopFormat,
        *,
        quality: int,
        max_bytes: int | None,
        codec: str | None,
        encoder: str = "software",
    ) -> None:
        super().__init__(path, form)
        self.suffix = path.suffix.lower()
        self.quality = quality
        self._codec = codec
        self._hardware = encoder
        self._max_bytes = max_bytes
        self._temporary = temporary_beside(path, self.suffix)
        self._scratch = temporary_beside(path, ".scratch" + self.suffix)
        self._old = temporary_beside(path, ".old" + self.suffix)
        self._encoder: FrameEncoder | None = None
        if not self.needs_master:
            pixels = handed_over(codec)
            arguments = self._arguments(quality, pixels)
            self._encoder = FrameEncoder(
                self._temporary, path, size=form.size, rate=form.rate, arguments=arguments, pixels=pixels
            )

    @property
    def needs_master(self) -> bool:
        """GIF: its palette comes first. Limits: several tries. Repeats: only videos are joined undecoded."""
        joined = self._codec is not None or self.form.repeat == 1
        return self.suffix == ".gif" or self._max_bytes is not None or not joined

    def add(self, frame: NDArray[np.uint8]) -> None:
        if self._encoder is not None:
            self._encoder.add(frame)

    def finish(self, master: Path) -> None:
        if self._encoder is not None:
            self._encoder.close()
            self._repeat(self._temporary)
        elif self._max_bytes is None:
            self._encode(master, self.quality, self._temporary)
        else:
            self._fit(master, self._max_bytes)

    def commit(self, moves: Moves) -> Written:
        size = self._temporary.stat().st_size
        moves.replace(self._temporary, self.path, self._old)
        lossless = self.suffix == ".apng" or (self.suffix == ".webp" and self.quality == 100)
        hardware = f"{self._codec}_{self._hardware}" if self._codec and self._hardware != "software" else None
        frames = self.form.count * self.form.repeat
        return Written(self.path, size, frames, None if lossless else self.quality, hardware)

    def discard(self) -> None:
        if self._encoder is not None:
            self._encoder.abort()
        for file in (self._temporary, self._scratch, self._old):
            file.unlink(missing_ok=True)

    def _arguments(self, quality: int, pixels: str = "rgb24") -> list[str]:
        return encoder_arguments(self.suffix, self._codec, quality, self.form.count, self._hardware, pixels)

    def _encode(self, master: Path, quality: int, target: Path) -> int:
        """Encode all cycles from the master; bytes of the file."""
        source = own_input(master)
        if self._codec is not None:
            arguments = self._arguments(quality)
            run_ffmpeg([*source, *arguments, output(target)], self.path)
            self._repeat(target)
            return target.stat().st_size
        if self.suffix == ".gif":
            coded = coded_frames(lambda: read_frames(master), self.form.count, self.form.repeat, quality)
            feed_ffmpeg(coded, [*gif_arguments(self.form.size, self.form.rate), output(target)], self.path)
            return target.stat().st_size
        if self.form.repeat > 1:
            source = ["-stream_loop", str(self.form.repeat - 1), *source]
        arguments = self._arguments(quality)
        run_ffmpeg([*source, *arguments, output(target)], self.path)
        return target.stat().st_size

    def _repeat(self, file: Path) -> None:
        """Join `repeat` copies of an encoded cycle without decoding it."""
        if self.form.repeat > 1:
            joined = temporary_beside(self.path, ".joined" + self.suffix)
            try:
                run_ffmpeg([*repeat_arguments(file, self.form.repeat), output(joined)], self.path)
                os.replace(joined, file)
            finally:
                joined.unlink(missing_ok=True)

    def _fit(self, master: Path, limit: int) -> None:
        """The best quality, at most the one asked for, whose file has at most `limit` bytes."""
        fits, too_large = 0, self.quality + 1  # the answer lies in [fits, too_large)
        sizes: dict[int, int] = {}
        quality = self.quality
        while len(sizes) < MOST_TRIES and too_large - fits > 1:
            sizes[quality] = self._encode(master, quality, self._scratch)
            if sizes[quality] <= limit:
                fits = quality
                os.replace(self._scratch, self._temporary)
                if quality == self.quality or sizes[quality] >= CLOSE_ENOUGH * limit:
                    break
            else:
                too_large = quality
            last_chance = fits == 0 and len(sizes) == MOST_TRIES - 1
            quality = 1 if last_chance else next_quality(sizes, limit, fits, too_large)
        if fits == 0:
            raise OutputError(
                f"{self.path}: {min(sizes.values()):,} bytes at the lowest quality are more than the {limit:,} of "
                "--max-bytes; choose a smaller --max-side, or fewer --seconds"
            )
        self.quality = fits


class PngFolder(Output):
    """Numbered lossless frames, from 0, written to a hidden folder in the target folder and moved at the end."""

    def __init__(self, pattern: Path, form: LoopFormat) -> None:
        super().__init__(pattern, form)
        self._folder = pattern.parent
        self._temporary = temporary_beside(pattern, "")  # inside: the folder itself may be a mount point
        self._old = temporary_beside(pattern, ".old")
        for folder in (self._temporary, self._old):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        self._pool = ThreadPoolExecutor(PNG_THREADS)
        self._pending: deque[Future[int]] = deque()
        self._count = 0
        self._bytes = 0

    def add(self, frame: NDArray[np.uint8]) -> None:
        reversed_copy = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), np.uint8)
        self._pending.append(self._pool.submit(self._save, reversed_copy, self._temporary / self._name(self._count)))
        self._count += 1
        while len(self._pending) > 2 * PNG_THREADS:  # bounds the memory
            self._bytes += self._pending.popleft().result()

    def finish(self, master: Path) -> None:
        self._bytes += sum(saved.result() for saved in self._pending)
        self._pending.clear()
        for index in range(self._count, self._count * self.form.repeat):
            copy = shutil.copyfile(
                self._temporary / self._name(index % self._count), self._temporary / self._name(index)
            )
            self._bytes += copy.stat().st_size

    def commit(self, moves: Moves) -> Written:
        total = self._count * self.form.repeat
        self._folder.mkdir(exist_ok=True)
        for old in existing_frames(self.path):
            if frame_number(self.path, old) >= total:  # left from a longer loop: players would show them too
                moves.remove(old, self._old / old.name)
        for file in sorted(self._temporary.iterdir()):
            moves.replace(file, self._folder / file.name, self._old / file.name)
        return Written(self.path, self._bytes, total, None)

    def discard(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for folder in (self._temporary, self._old):
            shutil.rmtree(folder, ignore_errors=True)

    def _name(self, index: int) -> str:
        return self.path.name % index

    @staticmethod
    def _save(frame_bgr: NDArray[np.uint8], file: Path) -> int:
        done, data = cv2.imencode(".png", frame_bgr, [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
        assert done
        file.write_bytes(data.data)
        return int(data.size)
