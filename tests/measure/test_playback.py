"""What players can decode is told from the file: codec, profile, level and size, promised or needed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cinegan_cli.errors import InputError
from cinegan_cli.measure import Finding, check_container
from cinegan_cli.stages.video.ffmpeg import ffmpeg_executable, has_encoder


def made(path: Path, options: str, *, size: str = "64x48", rate: int = 25) -> Path:
    """Two frames by ffmpeg."""
    source = f"color=size={size}:rate={rate}:duration={2 / rate}"
    command = [ffmpeg_executable(), "-v", "error", "-y", "-f", "lavfi", "-i", source, *options.split(), str(path)]
    subprocess.run(command, check=True)
    return path


def playback(path: Path) -> Finding:
    (found,) = (finding for finding in check_container(path) if finding.name == "playback")
    return found


H264 = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast"


@pytest.mark.parametrize(
    ("options", "size", "rate", "passed", "value"),
    [
        (H264, "64x48", 25, True, "level 1"),
        (H264, "3840x2160", 30, True, "level 5.1"),
        (H264, "4096x2304", 30, True, "level 5.2"),
        (H264, "3840x2880", 30, False, "level 6"),
        (H264, "2880x3840", 30, False, "level 6"),
        (H264, "3840x2160", 120, False, "level 6"),
        (H264 + " -level 6.2", "64x48", 25, False, "level 6.2"),  # promised: decoders look at nothing else
        (H264 + " -x264-params level=40", "3840x2880", 30, False, "level 6"),  # promised less than needed
        ("-pix_fmt yuv420p10le -c:v libx264 -preset ultrafast", "64x48", 25, False, "High 10"),
        ("-pix_fmt yuv444p -c:v libx264 -preset ultrafast", "64x48", 25, False, "4:4:4"),
        ("-pix_fmt yuv420p -c:v mpeg4", "64x48", 25, False, "mpeg4"),
    ],
)
def test_mp4(tmp_path: Path, options: str, size: str, rate: int, passed: bool, value: str) -> None:
    found = playback(made(tmp_path / "a.mp4", options, size=size, rate=rate))
    assert found.passed == passed
    assert value in found.value
    if not passed:
        assert found.sentence != found.value  # it says which devices stop


@pytest.mark.parametrize(
    ("options", "size", "passed"),
    [
        ("-c:v libx265 -x265-params log-level=error -preset ultrafast -tag:v hvc1", "64x48", True),
        ("-c:v libx265 -x265-params log-level=error -preset ultrafast -tag:v hev1", "64x48", False),
        ("-c:v libx265 -x265-params log-level=error -preset ultrafast -tag:v hvc1", "3840x2880", False),
        ("-c:v libsvtav1 -preset 12", "64x64", True),
    ],
)
def test_newer_codecs_of_mp4(tmp_path: Path, options: str, size: str, passed: bool) -> None:
    if not has_encoder(options.split()[1]):
        pytest.skip(f"this ffmpeg has no {options.split()[1]}")
    found = playback(made(tmp_path / "a.mp4", "-pix_fmt yuv420p " + options, size=size))
    assert found.passed == passed
    assert found.sentence != found.value  # even where it passes: not every device knows these codecs


@pytest.mark.parametrize(("size", "passed"), [("64x48", True), ("3840x2880", False)])
def test_webm(tmp_path: Path, size: str, passed: bool) -> None:
    options = "-pix_fmt yuv420p -c:v libvpx-vp9 -deadline realtime -cpu-used 8"
    assert playback(made(tmp_path / "a.webm", options, size=size)).passed == passed


def test_mp4_without_a_picture(tmp_path: Path) -> None:
    command = [ffmpeg_executable(), "-v", "error", "-f", "lavfi", "-i", "sine=duration=0.2", str(tmp_path / "a.mp4")]
    subprocess.run(command, check=True)
    with pytest.raises(InputError, match="no video track"):
        check_container(tmp_path / "a.mp4")
