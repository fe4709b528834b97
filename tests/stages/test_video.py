"""Video stage: what is written decodes to what was given, and nothing half-written survives a failure."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cinegan_cli.config import VideoConfig
from cinegan_cli.errors import InputError, OutputError, UsageError
from cinegan_cli.evaluate.check import check_loop
from cinegan_cli.measure.container import check_container
from cinegan_cli.stages.video import codecs as video_codecs
from cinegan_cli.stages.video import ffmpeg as video_ffmpeg
from cinegan_cli.stages.video.clips import open_clip
from cinegan_cli.stages.video.codecs import HOLDS
from cinegan_cli.stages.video.encoders import ENCODERS, exact_rate
from cinegan_cli.stages.video.ffmpeg import ffmpeg_executable, has_encoder
from cinegan_cli.stages.video.fit import next_quality
from cinegan_cli.stages.video.names import parse_bytes, temporary_beside
from cinegan_cli.stages.video.outputs import Written
from cinegan_cli.stages.video.probe import probe
from cinegan_cli.stages.video.read import read_frames
from cinegan_cli.stages.video.write import check_outputs, write_loop

WIDTH, HEIGHT, COUNT = 64, 48, 8

Frames = NDArray[np.uint8]


def loop_frames(count: int = COUNT, width: int = WIDTH, height: int = HEIGHT) -> Frames:
    """A soft texture that drifts once round in `count` frames: [count, height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width] * (2 * np.pi)
    phases = np.arange(count)[:, None, None] * (2 * np.pi / count)
    red = np.sin(3 * x / width - phases) * np.cos(2 * y / height)
    green = np.sin(2 * x / width + phases)
    blue = np.cos(4 * y / height - phases)
    return (np.stack([red, green, np.broadcast_to(blue, red.shape)], axis=3) * 80 + 128).astype(np.uint8)


def psnr(one: Frames, other: Frames) -> float:
    error = np.mean((one.astype(float) - other) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def write(frames: Frames, *paths: Path, fps: float = 30, **settings: object) -> tuple[Written, ...]:
    size = (frames.shape[2], frames.shape[1])
    config = VideoConfig(out=paths, **settings)
    return write_loop(iter(frames), size=size, fps=fps, count=len(frames), config=config)


def decoded(path: Path) -> Frames:
    return np.stack(list(read_frames(path)))


def test_every_kind_in_one_pass(tmp_path: Path) -> None:
    names = ["a.mp4", "a.webm", "a.gif", "a.webp", "a.apng", "frames/%03d.png"]
    frames = loop_frames()
    written = write(frames, *(tmp_path / name for name in names))
    # dB; these small, strongly coloured waves suffer from the halved colour resolution of video
    floor = {".mp4": 31, ".webm": 31, ".gif": 28, ".webp": 30, ".apng": 80, ".png": 80}
    for name, result in zip(names, written, strict=True):
        found = decoded(result.path)
        assert found.shape == frames.shape, name
        assert min(map(psnr, found, frames)) > floor[result.path.suffix], name
        assert result.frames == COUNT
        assert (result.quality is None) == (result.path.suffix in (".apng", ".png"))
        if result.path.suffix != ".png":
            assert result.bytes == result.path.stat().st_size
            assert all(finding.passed for finding in check_container(result.path)), name
    assert sorted(os.listdir(tmp_path)) == ["a.apng", "a.gif", "a.mp4", "a.webm", "a.webp", "frames"]
    assert sorted(os.listdir(tmp_path / "frames")) == [f"{index:03d}.png" for index in range(COUNT)]


def test_lossless_webp(tmp_path: Path) -> None:
    write(loop_frames(), tmp_path / "a.webp", quality=100)
    assert np.array_equal(decoded(tmp_path / "a.webp"), loop_frames())


def test_tensors_are_frames_too(tmp_path: Path) -> None:
    tensors = (torch.from_numpy(frame) for frame in loop_frames())
    config = VideoConfig(out=(tmp_path / "%d.png",))
    write_loop(tensors, size=(WIDTH, HEIGHT), fps=30, count=COUNT, config=config)
    assert np.array_equal(decoded(tmp_path / "%d.png"), loop_frames())


@pytest.mark.parametrize("suffix", ["mp4", "webm"])
def test_colours_are_bt709(tmp_path: Path, suffix: str) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 40), (128, 128, 128), (255, 255, 255), (0, 0, 0)]
    frames = np.stack([np.full((HEIGHT, WIDTH, 3), colour, np.uint8) for colour in colours])
    write(frames, tmp_path / f"a.{suffix}", quality=95)
    for found, colour in zip(decoded_by_hand(tmp_path / f"a.{suffix}"), colours, strict=True):
        assert np.abs(found - colour).max() <= 2.5, (found, colour)


def decoded_by_hand(path: Path) -> NDArray[np.float64]:
    """Mean R, G, B of each frame by the BT.709 equations from the Y, Cb, Cr values in the file, limited range."""
    command = [ffmpeg_executable(), "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1"]
    data = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)
    planes = data.reshape(-1, HEIGHT * WIDTH * 3 // 2).astype(float)
    luma = (planes[:, : HEIGHT * WIDTH].mean(1) - 16) / 219
    chroma = (planes[:, HEIGHT * WIDTH :].reshape(len(planes), 2, -1).mean(2) - 128) / 224
    red, blue = luma + 1.5748 * chroma[:, 1], luma + 1.8556 * chroma[:, 0]
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    return np.stack([red, green, blue], axis=1).clip(0, 1) * 255


def test_runs_give_the_same_bytes_and_no_paths(tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        write(loop_frames(), tmp_path / name)
    data = (tmp_path / "one.mp4").read_bytes()
    assert data == (tmp_path / "two.mp4").read_bytes()
    assert str(tmp_path).encode() not in data
    assert b"Lavf" not in data


@pytest.mark.parametrize("fps", [24, 23.976, 29.97, 12.5, 60, 1, 7.3])
def test_frame_rates_are_exact(tmp_path: Path, fps: float) -> None:
    write(loop_frames(), tmp_path / "a.mp4", fps=fps)
    findings = {finding.name: finding for finding in check_container(tmp_path / "a.mp4")}
    assert findings["constant rate"].passed
    assert findings["constant rate"].value.startswith(f"{COUNT} frames")
    command = [ffmpeg_executable(), "-hide_banner", "-i", str(tmp_path / "a.mp4")]
    text = subprocess.run(command, capture_output=True, check=False).stderr.decode()
    hours, minutes, seconds = re.search(r"Duration: (\d+):(\d+):([\d.]+)", text).groups()
    duration = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    assert abs(duration - COUNT / float(exact_rate(fps))) < 0.011


def test_ntsc_rates() -> None:
    assert str(exact_rate(29.97)) == "30000/1001"
    assert str(exact_rate(23.976)) == "24000/1001"
    assert str(exact_rate(59.94)) == "60000/1001"
    assert str(exact_rate(30)) == "30"
    assert str(exact_rate(12.5)) == "25/2"


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.webp", "a.apng", "%04d.png"])
def test_repeat_bakes_cycles(tmp_path: Path, name: str) -> None:
    (written,) = write(loop_frames(), tmp_path / name, repeat=3)
    found = decoded(tmp_path / name)
    assert len(found) == written.frames == 3 * COUNT
    assert psnr(found[COUNT : 2 * COUNT], loop_frames()) > 28
    if "%" not in name:
        assert all(finding.passed for finding in check_container(tmp_path / name))


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.webp"])
def test_max_bytes_is_kept(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (COUNT, HEIGHT, WIDTH, 3)).astype(np.uint8)
    frames = loop_frames() // 2 + noise
    (free,) = write(frames, tmp_path / f"free{name[1:]}")
    limit = free.bytes * 2 // 3
    (held,) = write(frames, tmp_path / name, max_bytes=str(limit))
    assert limit * 0.5 < held.bytes <= limit
    assert held.quality is not None
    assert held.quality < 80
    assert sorted(os.listdir(tmp_path)) == sorted([name, f"free{name[1:]}"])


def test_max_bytes_out_of_reach(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="--max-bytes"):
        write(loop_frames(), tmp_path / "a.mp4", max_bytes="300")
    assert os.listdir(tmp_path) == []


def test_next_quality_stays_between_its_bounds() -> None:
    assert next_quality({80: 4000}, 1000, 0, 80) == 80 - 36 - 1
    assert next_quality({80: 4000, 40: 999}, 1000, 40, 80) == 41
    assert next_quality({80: 10**9}, 1, 0, 80) == 1
    assert next_quality({80: 1001, 79: 1001}, 1000, 0, 79) < 79


@pytest.mark.parametrize(
    ("text", "size"), [("5MB", 5_000_000), ("800 kb", 800_000), ("4MiB", 4 << 20), ("1234", 1234), ("1.5KB", 1500)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-5MB", "5XB", "0", "five"])
def test_bad_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="--max-bytes"):
        parse_bytes(text)


def broken(frames: Frames, error: BaseException) -> Iterator[NDArray[np.uint8]]:
    yield from frames[:3]
    raise error


@pytest.mark.parametrize("error", [RuntimeError("renderer"), KeyboardInterrupt(), MemoryError()])
def test_failing_frames_leave_nothing(tmp_path: Path, error: BaseException) -> None:
    (tmp_path / "a.mp4").write_text("old")
    outs = tuple(tmp_path / name for name in ("a.mp4", "a.gif", "new/b.webm", "deep/er/%04d.png"))
    config = VideoConfig(out=outs, overwrite=True)
    with pytest.raises(type(error)):
        write_loop(broken(loop_frames(), error), size=(WIDTH, HEIGHT), fps=30, count=COUNT, config=config)
    assert os.listdir(tmp_path) == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_text() == "old"


def test_wrong_number_or_shape_of_frames(tmp_path: Path) -> None:
    config = VideoConfig(out=(tmp_path / "a.mp4",))
    for frames, count in ((loop_frames(), COUNT + 1), (loop_frames(width=32), COUNT), (loop_frames(), COUNT - 1)):
        with pytest.raises(ValueError, match="frames must be"):
            write_loop(iter(frames), size=(WIDTH, HEIGHT), fps=30, count=count, config=config)
    assert os.listdir(tmp_path) == []


def fake_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An encoder that leaves a partial file (its last argument) and does what the script says."""
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\nfor last; do :; done\necho partial > "${{last#file:}}"\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setattr(video_ffmpeg, "ffmpeg_executable", lambda: str(program))


@pytest.mark.skipif(os.name == "nt", reason="needs a shell script")
@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("head -c 5000 >/dev/null; echo 'x: No space left on device' >&2; exit 1", "the disk is full"),
        ("cat >/dev/null; echo 'Error writing trailer: No space left on device' >&2; exit 1", "the disk is full"),
        ("echo 'no such codec' >&2; exit 3", "no such codec"),
        ("cat >/dev/null; kill -9 $$", "SIGKILL"),
        ("yes 'chatter on stderr' | head -c 3000000 >&2; cat >/dev/null; exit 1", "chatter"),
    ],
)
def test_encoder_errors_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    fake_ffmpeg(tmp_path, monkeypatch, script)
    folder = tmp_path / "out"
    with pytest.raises(OutputError, match=message) as caught:
        write(loop_frames(40), folder / "a.mp4")
    assert "\n" not in str(caught.value)
    assert not folder.exists()


def test_full_disk_while_writing_png(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="the disk is full"):
        write(loop_frames(), tmp_path / "f" / "%04d.png")
    assert os.listdir(tmp_path) == []


def test_full_disk_for_real(tmp_path: Path) -> None:
    """A limit on the size of files stops the encoder in the middle, as a full disk does."""
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 255, (COUNT, HEIGHT, WIDTH, 3)).astype(np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError):
            write(noise, tmp_path / "out" / "a.apng", tmp_path / "out" / "a.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


def test_missing_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", missing)
    with pytest.raises(OutputError, match="pip install"):
        check_outputs(VideoConfig(out=(tmp_path / "a.mp4",)))
    check_outputs(VideoConfig(out=(tmp_path / "%04d.png",)))


def test_existing_outputs_need_overwrite(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("old")
    (tmp_path / "0007.png").write_text("old")
    for name in ("a.mp4", "%04d.png"):
        with pytest.raises(OutputError, match="--overwrite"):
            write(loop_frames(), tmp_path / name)
    assert (tmp_path / "a.mp4").read_text() == "old"
    write(loop_frames(), tmp_path / "a.mp4", tmp_path / "%04d.png", overwrite=True)
    assert len(decoded(tmp_path / "a.mp4")) == COUNT


def test_output_that_appears_during_the_run(tmp_path: Path) -> None:
    def frames() -> Iterator[NDArray[np.uint8]]:
        yield from loop_frames()
        (tmp_path / "a.mp4").write_text("another program's")

    with pytest.raises(OutputError, match="exists"):
        write_loop(frames(), size=(WIDTH, HEIGHT), fps=30, count=COUNT, config=VideoConfig(out=(tmp_path / "a.mp4",)))
    assert (tmp_path / "a.mp4").read_text() == "another program's"


def test_a_shorter_loop_removes_the_rest_of_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("keep")
    write(loop_frames(12), tmp_path / "%04d.png")
    write(loop_frames(8), tmp_path / "%04d.png", overwrite=True)
    assert sorted(os.listdir(tmp_path)) == [f"{index:04d}.png" for index in range(8)] + ["notes.txt"]


@pytest.mark.parametrize(
    "names",
    [(), ("a.avi",), ("a",), ("a.png",), ("%d_%d.png",), ("%s.png",), ("%02d/a.png",), ("a.mp4", "./a.mp4")],
)
def test_unknown_kinds_and_doubles(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        check_outputs(VideoConfig(out=tuple(tmp_path / name for name in names)))


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.mp4").mkdir()
    for name in ("file/a.mp4", "folder.mp4"):
        with pytest.raises(OutputError):
            check_outputs(VideoConfig(out=(tmp_path / name,), overwrite=True))
    monkeypatch.setattr(os, "access", lambda *_: False)  # the tests may run as root, who may write anywhere
    with pytest.raises(OutputError, match="cannot be written"):
        check_outputs(VideoConfig(out=(tmp_path / "a.mp4",)))


def test_fast_gif_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="GIF"):
        check_outputs(VideoConfig(out=(tmp_path / "a.gif",)), fps=60)


def test_odd_names(tmp_path: Path) -> None:
    stems = ["-y", "a b:c", "50%", "ünï", "A", "%03d", "a%d", "%s", "[0:v]{x}", "a'b", "pipe:1", "a#?&"]
    others = [f"{stem}{suffix}" for stem in ("-y", "50%", "%03d") for suffix in (".webm", ".GIF", ".webp", ".apng")]
    for name in [*(f"{stem}.mp4" for stem in stems), *others]:
        write(loop_frames(), tmp_path / name, repeat=2)
        assert os.listdir(tmp_path) == [name]
        assert len(decoded(tmp_path / name)) == 2 * COUNT, name
        if name.endswith(("4", "m")):
            assert open_clip(tmp_path / name, max_side=64).fps == 30
        (tmp_path / name).unlink()


def test_odd_names_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-y.mp4", "%03d.gif", "http:a.webm", "concat:a|b.mp4"):
        write(loop_frames(), Path(name), max_bytes="1MB")
        assert len(decoded(Path(name))) == COUNT
        (tmp_path / name).unlink()
    assert os.listdir(tmp_path) == []


TAGS = {"h264": b"avc1", "hevc": b"hvc1", "av1": b"av01", "vp9": b"vp09", "prores": b"apch"}


@pytest.mark.parametrize(("kind", "codec"), [(kind, codec) for kind, held in HOLDS.items() for codec in held])
def test_codecs_of_each_kind(tmp_path: Path, kind: str, codec: str) -> None:
    """Each is tagged as players want it, safe to loop, as good as the others, and the same every time."""
    if not has_encoder(ENCODERS[codec]):
        pytest.skip(f"this ffmpeg has no {ENCODERS[codec]}")
    frames = loop_frames(width=128, height=96)
    files = [tmp_path / name for name in ("a" + kind, "b" + kind)]
    for file in files:
        write(frames, file, codec=codec)
    assert files[0].read_bytes() == files[1].read_bytes()
    found = decoded(files[0])
    assert found.shape == frames.shape
    assert min(map(psnr, found, frames)) > 31
    assert [finding for finding in check_container(files[0]) if not finding.passed] == []
    assert probe(files[0]).codec == codec
    assert kind == ".webm" or TAGS[codec] in files[0].read_bytes()


def test_cycles_of_a_mov_are_joined(tmp_path: Path) -> None:
    written = write(loop_frames(), tmp_path / "a.mov", codec="prores", repeat=3)
    assert len(decoded(tmp_path / "a.mov")) == written[0].frames == 3 * COUNT


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "hevc"), ("a.webm", "vp9")])
def test_codec_that_ffmpeg_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str) -> None:
    monkeypatch.setattr(video_codecs, "has_encoder", lambda name: False)
    with pytest.raises(OutputError, match=f"{name}: needs {codec}"):
        check_outputs(VideoConfig(out=(tmp_path / name,), codec=codec if name == "a.mp4" else "h264"))


@pytest.mark.parametrize(("status", "listed"), [(0, False), (1, True)])
def test_an_ffmpeg_that_cannot_list_its_encoders_may_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, listed: bool
) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(f"#!/bin/sh\necho libx264\nexit {status}\n")
    script.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(script))
    assert has_encoder("libx265") == listed


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("a.mp4", {"codec": "prores"}, ".mov"),
        ("a.gif", {"codec": "av1"}, ".mp4 or .webm"),
        ("a.webm", {"codec": "hevc"}, ".mp4 or .mov"),
        ("a.mov", {"codec": "vp9"}, ".mp4 or .webm"),
        ("a.gif", {"encoder": "nvenc"}, ".mp4, .webm, .mov"),
        ("a.webm", {"encoder": "nvenc"}, "h264, hevc, av1, not vp9"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, name: str, options: dict[str, str], wanted: str) -> None:
    with pytest.raises(UsageError, match=wanted) as caught:
        check_outputs(VideoConfig(out=(tmp_path / name,), **options))
    assert "\n" not in str(caught.value)


def test_a_codec_goes_to_the_outputs_that_hold_it(tmp_path: Path) -> None:
    names = ["a.mp4", "a.webm", "a.gif"]
    write(loop_frames(), *(tmp_path / name for name in names), codec="hevc")
    assert [probe(tmp_path / name).codec for name in names] == ["hevc", "vp9", "gif"]


def pretend_hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str) -> Path:
    """An ffmpeg that runs `before`, notes its arguments, and encodes for a graphics card by x264."""
    program, log = tmp_path / "ffmpeg", tmp_path / "log"
    to_software = (
        f'{before}\necho "$@" >> {log}\nfor word; do shift\n'
        'case "$word" in h264_*) word=libx264;; -rc) word=-tune;; vbr) word=film;; -cq) word=-crf;; esac\n'
        f'set -- "$@" "$word"; done\nexec {ffmpeg_executable()} "$@"\n'
    )
    program.write_text(f"#!/bin/sh\n{to_software}")
    program.chmod(0o755)
    for module in (video_ffmpeg, video_codecs):
        monkeypatch.setattr(module, "ffmpeg_executable", lambda: str(program))
    return log


@pytest.mark.skipif(os.name == "nt", reason="needs a shell script")
def test_hardware_that_works_is_tried_once_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = pretend_hardware(tmp_path, monkeypatch, "")
    for name in ("a.mp4", "b.mp4"):
        (written,) = write(loop_frames(), tmp_path / name, encoder="nvenc")
        assert written.encoder == "h264_nvenc"
    assert log.read_text().count("h264_nvenc") == 3  # one trial
    assert [finding for finding in check_container(tmp_path / "a.mp4") if not finding.passed] == []
    assert write(loop_frames(), tmp_path / "c.mp4")[0].encoder is None


@pytest.mark.skipif(os.name == "nt", reason="needs a shell script")
@pytest.mark.parametrize("encoder", ["nvenc", "qsv", "vaapi", "videotoolbox"])
def test_hardware_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str) -> None:
    said = "[x @ 0x55e0] Cannot load libcuda.so.1"
    pretend_hardware(
        tmp_path, monkeypatch, f'case "$*" in *_{encoder}*) echo "{said}" >&2; echo more >&2; exit 1;; esac'
    )
    with pytest.raises(OutputError, match=rf"--encoder {encoder}: .*\(Cannot load libcuda.so.1\)") as caught:
        write(loop_frames(), tmp_path / "out" / "a.mp4", encoder=encoder)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="needs a shell script")
def test_hardware_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_hardware(tmp_path, monkeypatch, "exec sleep 20")
    monkeypatch.setattr(video_codecs, "TRIAL_SECONDS", 0.2)
    with pytest.raises(OutputError, match="took more than"):
        check_outputs(VideoConfig(out=(tmp_path / "a.mp4",), encoder="qsv"))


@pytest.mark.parametrize(
    "playlist",
    [
        "ffconcat version 1.0\nfile inside.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ninside.ts\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash"><Period/></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
    ids=["concat", "hls", "dash", "sdp"],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.m3u8", "a.webm"])
def test_playlists_open_no_other_files(tmp_path: Path, playlist: str, name: str) -> None:
    write(loop_frames(), tmp_path / "inside.mp4")
    (tmp_path / name).write_text(playlist)
    for read in (decoded, lambda path: open_clip(path, max_side=64), check_container, check_loop, probe):
        with pytest.raises(InputError, match=name) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.mov", "a.m4v", "a.ts", "a.mpg", "a.ogv", "a.flv"])
def test_videos_of_other_programs_are_read(tmp_path: Path, name: str) -> None:
    source = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=0.4"]
    subprocess.run([ffmpeg_executable(), "-v", "error", *source, str(tmp_path / name)], check=True)
    assert len(decoded(tmp_path / name)) >= 9
    assert open_clip(tmp_path / name, max_side=64).fps == 25


def test_static_pixels_do_not_shimmer_in_a_gif(tmp_path: Path) -> None:
    frames = loop_frames(width=96)
    frames[:, :, :32] = frames[0, :, :32]
    write(frames, tmp_path / "a.gif")
    found = decoded(tmp_path / "a.gif")
    assert (found[:, :, :32] == found[0, :, :32]).all()


def test_temporaries_are_hidden_and_beside_the_target() -> None:
    temporary = temporary_beside(Path("some/loop.mp4"), ".mp4")
    assert temporary == Path(f"some/.loop.mp4.{os.getpid()}.part.mp4")  # by it leftovers of dead processes are known
