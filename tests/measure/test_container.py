"""Playback safety: files that players stumble over are recognised, damaged files never crash the parser."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cinegan_cli.errors import InputError
from cinegan_cli.measure.container import check_container
from cinegan_cli.stages.video.ffmpeg import ffmpeg_executable

SAFE = (
    "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,"
    "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709 "
    "-c:v libx264 -preset ultrafast -bf 0 -use_editlist 0 -movflags +faststart"
)


def made(path: Path, options: str, *, source: str = "testsrc=size=64x48:rate=25:duration=0.4", more: str = "") -> Path:
    """A file by ffmpeg from its test picture."""
    command = [ffmpeg_executable(), "-v", "error", "-y", "-f", "lavfi", "-i", source, *more.split()]
    subprocess.run([*command, *options.split(), str(path)], check=True)
    return path


def failed(path: Path) -> set[str]:
    return {finding.name for finding in check_container(path) if not finding.passed}


def test_safe_mp4(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", SAFE)
    findings = check_container(path)
    assert {finding.name for finding in findings} >= {"audio", "edit list", "start", "constant rate", "first frame"}
    assert failed(path) == set()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("-bf 0 -use_editlist 0", "-bf 2"), "edit list"),
        (("-bf 0 -use_editlist 0", "-bf 2 -use_editlist 0"), "constant rate"),
        (("-movflags +faststart", ""), "faststart"),
        (("format=yuv420p", "format=yuv444p"), "pixel format"),
        (("out_range=tv", "out_range=pc"), "range"),
        (("range=tv:", "range=pc:"), "range"),
        (("bt709:color_primaries=bt709:color_trc=bt709", "bt470bg"), "colour tags"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, change: tuple[str, str], name: str) -> None:
    options = SAFE.replace(*change)
    assert options != SAFE
    if name == "range" and "out_range=pc" in options:
        options = options.replace("setparams=range=tv", "setparams=range=pc")
    found = failed(made(tmp_path / "a.mp4", options))
    assert name in found


def test_audio_is_a_fault(tmp_path: Path) -> None:
    sound = "-f lavfi -i sine=duration=0.5"
    assert "audio" in failed(made(tmp_path / "a.mp4", SAFE + " -c:a aac", more=sound))
    assert "audio" in failed(made(tmp_path / "a.webm", "-c:v libvpx-vp9 -c:a libopus", more=sound))


def test_varying_rate(tmp_path: Path) -> None:
    varying = SAFE.replace("-vf ", "-vf setpts=N*N*TB*1000,") + " -fps_mode vfr"
    assert "constant rate" in failed(made(tmp_path / "a.mp4", varying))
    assert "constant rate" in failed(made(tmp_path / "a.webm", "-vf setpts=N*N*TB*4 -fps_mode vfr -c:v libvpx-vp9"))


def test_late_start(tmp_path: Path) -> None:
    late = made(tmp_path / "late.webm", "-c:v libvpx-vp9 -output_ts_offset 0.5")
    assert "start" in failed(late)


def test_odd_size(tmp_path: Path) -> None:
    odd = SAFE.replace("format=yuv420p", "format=yuv444p")
    assert "size" in failed(made(tmp_path / "a.mp4", odd, source="testsrc=size=63x48:rate=25:duration=0.4"))


def test_first_frame_that_is_no_keyframe(tmp_path: Path) -> None:
    data = made(tmp_path / "a.mp4", SAFE).read_bytes()
    place = data.index(b"stss")
    changed = data[: place + 12] + struct.pack(">I", 2) + data[place + 16 :]
    (tmp_path / "b.mp4").write_bytes(changed)
    assert "first frame" in failed(tmp_path / "b.mp4")


@pytest.mark.parametrize(("loop", "passed"), [(0, True), (3, False), (None, False)])
@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_loop_counts(tmp_path: Path, suffix: str, loop: int | None, passed: bool) -> None:
    frames = [Image.fromarray(np.full((20, 20, 3), 40 * index, np.uint8)) for index in range(4)]
    path = tmp_path / f"a.{suffix}"
    options = {} if loop is None else {"loop": loop}
    if loop is None and suffix != "gif":
        frames[0].save(path)
    else:
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=40, **options)
    (finding,) = check_container(path)
    assert finding.passed == passed


def test_folders_have_no_container(tmp_path: Path) -> None:
    assert check_container(tmp_path) == ()


def test_unknown_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a letter, not a video")
    (tmp_path / "b.mp4").write_bytes(b"")
    for name in ("a.mp4", "b.mp4", "missing.mp4"):
        with pytest.raises(InputError):
            check_container(tmp_path / name)


def test_no_damage_crashes_the_parser(tmp_path: Path) -> None:
    """Cut at every kind of place, and random bytes changed: findings or `InputError`, never anything else."""
    data = made(tmp_path / "a.mp4", SAFE).read_bytes()
    index = data.index(b"moov")
    random = np.random.default_rng(0)
    path = tmp_path / "b.mp4"
    variants = [data[:cut] for cut in (4, 9, 30, index + 3, index + 60, len(data) - 5)]
    for _ in range(12):
        changed = bytearray(data)
        for place in random.integers(0, index + 700, 6):
            changed[place] = random.integers(256)
        variants.append(bytes(changed))
    variants.append(data[:index] + b"moov" + struct.pack(">I4s", 0, b"trak") * 4000)
    messages = []
    for variant in variants:
        path.write_bytes(variant)
        try:
            check_container(path)
        except InputError as error:
            messages.append(str(error))
    assert len(messages) >= 6
    assert not any("\n" in message for message in messages)
