"""The ffmpeg that imageio-ffmpeg brings, as a process that takes frames."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from cinegan_cli.errors import OutputError
from cinegan_cli.stages.video.encoders import output, raw_input


def ffmpeg_executable() -> str:
    """Path of the ffmpeg binary. Raises `OutputError` when there is none."""
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise OutputError(
            "no ffmpeg was found, which every output except PNG frames needs: run "
            "pip install --force-reinstall imageio-ffmpeg, or set IMAGEIO_FFMPEG_EXE to an ffmpeg binary"
        ) from None


def has_encoder(name: str) -> bool:
    """Whether the ffmpeg binary was built with that encoder. Raises `OutputError` when there is no ffmpeg.

    True as well for an ffmpeg that does not start or cannot list its encoders: what it says in the end tells more.
    """
    listed = _encoders(ffmpeg_executable())
    return not listed or name in listed


@lru_cache
def _encoders(ffmpeg: str) -> frozenset[str]:
    """The words of ffmpeg's list of encoders, none where it gives none."""
    command = [ffmpeg, "-hide_banner", "-encoders"]
    try:
        listing = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return frozenset()
    return frozenset(listing.stdout.decode(errors="replace").split())


class FfmpegProcess:
    """One running ffmpeg. It is in its own session, so Ctrl-C reaches only us and we decide what happens to it."""

    def __init__(self, arguments: Sequence[str], *, takes_input: bool = False) -> None:
        command = [ffmpeg_executable(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if takes_input else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={**os.environ, "SVT_LOG": "1"},  # the AV1 encoder tells its settings, but for errors alone
            )
        except OSError as error:
            raise OutputError(f"ffmpeg could not be started: {error.strerror}; reinstall imageio-ffmpeg") from None
        # A thread empties stderr all the time: a full pipe would stop ffmpeg, and us with it.
        self._said: deque[bytes] = deque(maxlen=20)
        self._listener = threading.Thread(target=self._said.extend, args=(self._process.stderr,), daemon=True)
        self._listener.start()
        if takes_input:
            _widen(self._process.stdin)

    def write(self, data: memoryview) -> None:
        """Hand over bytes. Raises `BrokenPipeError` when ffmpeg has given up."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)

    def finish(self, what: Path) -> None:
        """Wait for a regular end. Raises `OutputError` naming the output `what` when ffmpeg failed."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # the exit status tells
                self._process.stdin.close()
        status = self._process.wait()
        self._close_stderr()
        if status:
            raise OutputError(f"{what}: {self._complaint(status)}")

    def kill(self) -> None:
        """Stop it at once, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._close_stderr()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()

    def _close_stderr(self) -> None:
        assert self._process.stderr is not None
        self._listener.join()
        self._process.stderr.close()

    def _complaint(self, status: int) -> str:
        lines = [line.decode(errors="replace").strip() for line in self._said if line.strip()]
        if any("No space left on device" in line for line in lines):
            return "the disk is full; free some space or name another folder"
        if any("Disk quota exceeded" in line for line in lines):
            return "the disk quota is used up; free some space or name another folder"
        reason = lines[0] if lines else f"status {status}"
        if status < 0:
            reason = f"stopped by {signal.Signals(-status).name}" + (", perhaps for memory" if status == -9 else "")
        return f"the encoder failed ({reason}); try another format, or a smaller --max-side"


def _widen(pipe: IO[bytes] | None) -> None:
    """Ask for a 1 MB pipe where the system knows how: a 12 MB frame then takes tens of switches, not hundreds."""
    if sys.platform == "linux" and pipe is not None:
        import fcntl

        with suppress(OSError):  # over the user's limit for pipes: the default size works too
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)


def run_ffmpeg(arguments: Sequence[str], what: Path) -> None:
    """Run to the end. Raises `OutputError` naming the output `what`; an interruption kills ffmpeg first."""
    process = FfmpegProcess(arguments)
    try:
        process.finish(what)
    except BaseException:
        process.kill()
        raise


def feed_ffmpeg(data: Iterable[bytes], arguments: Sequence[str], what: Path) -> None:
    """As `run_ffmpeg`, with `data` on stdin."""
    process = FfmpegProcess(arguments, takes_input=True)
    try:
        with suppress(BrokenPipeError):  # the exit status tells
            for piece in data:
                process.write(memoryview(piece))
        process.finish(what)
    except BaseException:
        process.kill()
        raise


def _yuv420(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """By `ops.yuv420`; PyTorch is imported only here, and takes no array that must not be written."""
    import torch

    from cinegan_cli import ops

    return ops.yuv420(torch.from_numpy(frame if frame.flags.writeable else frame.copy())).numpy()


class FrameEncoder:
    """Encodes frames as they come into one file: `add` each uint8 [H, W, 3], then `close`; or `abort`.

    `pixels` of `handed_over` are what it hands over, for which the `arguments` must be.
    """

    def __init__(
        self,
        target: Path,
        what: Path,
        *,
        size: tuple[int, int],
        rate: Fraction,
        arguments: Sequence[str],
        pixels: str = "rgb24",
    ) -> None:
        self._what = what
        self._converts = pixels == "yuv420p"
        self._process = FfmpegProcess([*raw_input(size, rate, pixels), *arguments, output(target)], takes_input=True)

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Encode one frame, [H, W, 3]. Raises `OutputError` when the encoder has failed."""
        pixels = _yuv420(frame) if self._converts else frame
        try:
            self._process.write(pixels.data.cast("B"))
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):
                raise
            self._process.finish(self._what)
            raise OutputError(f"{self._what}: the encoder stopped before the last frame; try another format") from None

    def close(self) -> None:
        """Finish the file. Raises `OutputError`."""
        self._process.finish(self._what)

    def abort(self) -> None:
        """Stop at once; the partial file stays for the caller to remove."""
        self._process.kill()
