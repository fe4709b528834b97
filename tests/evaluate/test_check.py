"""Loop figures and `check`: good loops pass; stalls, cuts, moving statics and unsafe containers fail."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.config import VideoConfig
from cinegan_cli.errors import InputError
from cinegan_cli.evaluate.check import CheckReport, check_loop
from cinegan_cli.measure.loop import LoopReport, measure_loop
from cinegan_cli.stages.video.read import read_frames
from cinegan_cli.stages.video.write import write_loop

WIDTH, HEIGHT, COUNT = 96, 64, 16

Frames = NDArray[np.uint8]


def texture(shift: float) -> NDArray[np.float64]:
    """A periodic texture moved right by `shift` px: [HEIGHT, WIDTH, 3] in levels."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    u, v = (x - shift) * 2 * np.pi / WIDTH, y * 2 * np.pi / HEIGHT
    waves = [np.sin(k * u + 1.7 * k) * np.cos(j * v + k * j) / (k + j) for k in (2, 5, 9) for j in (1, 3, 7)]
    return 128 + 130 * np.stack([sum(waves), sum(waves[1:]), sum(waves[::2])], axis=2)


def good_loop(count: int = COUNT, travel: float = 24.0) -> Frames:
    """The texture drifts by `travel` px and dissolves back: [count, HEIGHT, WIDTH, 3]; the lower third is static."""
    frames = []
    for index in range(count):
        part = index / count
        early, late = texture(travel * part), texture(travel * (part - 1))
        both = 128 + ((1 - part) * (early - 128) + part * (late - 128)) / np.hypot(part, 1 - part)
        both[2 * HEIGHT // 3 :] = texture(0)[2 * HEIGHT // 3 :]
        frames.append(both.clip(0, 255).round().astype(np.uint8))
    return np.stack(frames)


def mask() -> NDArray[np.float32]:
    values = np.ones((HEIGHT, WIDTH), np.float32)
    values[2 * HEIGHT // 3 :] = 0
    return values


def stalled(frames: Frames) -> Frames:
    return np.concatenate([frames, frames[:1]])


def cut(frames: Frames) -> Frames:
    return frames[: len(frames) * 5 // 8]


def held(frames: Frames) -> Frames:
    return np.concatenate([frames[:6], frames[5:]])


def failed(report: CheckReport) -> set[str]:
    return {finding.name for finding in report.findings if not finding.passed}


def written(frames: Frames, path: Path, **settings: object) -> Path:
    config = VideoConfig(out=(path,), **settings)
    write_loop(iter(frames), size=(frames.shape[2], frames.shape[1]), fps=25, count=len(frames), config=config)
    return path


def measured(frames: Iterable[NDArray[np.uint8]]) -> LoopReport:
    return measure_loop(frames, photo=good_loop()[0], mask=mask())


def test_figures_of_a_good_loop() -> None:
    report = measured(good_loop())
    assert report.frames == COUNT
    assert report.size == (WIDTH, HEIGHT)
    assert len(report.steps) == COUNT
    assert 0.8 < report.seam < 1.2
    assert report.pulse < 0.2
    assert report.progress == pytest.approx(1, abs=0.15)
    assert report.static_error == 0
    assert all(0.85 < value < 1.1 for value in report.texture)


def test_steps_are_mean_differences_inside_the_mask() -> None:
    frames = good_loop()
    inside = mask() >= 0.5
    wanted = [
        np.abs(frames[(i + 1) % COUNT].astype(float) - frames[i])[inside].mean() for i in range(COUNT)
    ]  # the last is the seam
    assert np.allclose(measured(frames).steps, wanted, atol=1e-9)


def test_figures_of_bad_loops() -> None:
    assert measured(stalled(good_loop())).seam == 0
    assert measured(cut(good_loop())).seam > 1.5
    assert measured(held(good_loop())).slowest == 0
    moved = good_loop()
    moved[7, -1, -1, 2] ^= 9
    assert measured(moved).static_error in (7, 9)


def test_drift_and_texture_see_what_they_should() -> None:
    frames = np.repeat(good_loop()[:1], COUNT, axis=0).astype(float)
    sky = frames[8, : 2 * HEIGHT // 3]
    frames[8, : 2 * HEIGHT // 3] = sky.mean() + (sky - sky.mean()) * 0.5 + 10
    report = measured(frames.clip(0, 255).round().astype(np.uint8))
    assert report.mean_drift == pytest.approx(10, abs=1.5)
    assert report.spread_drift == pytest.approx(0.5, abs=0.1)
    assert report.texture == pytest.approx((1, 0.5, 1), abs=0.1)


def test_moving_pixels_are_found_without_a_mask() -> None:
    with_mask, without = measured(good_loop()), measure_loop(good_loop())
    assert without.typical == pytest.approx(with_mask.typical, rel=0.25)
    assert without.static_error is None


def test_frames_are_not_kept() -> None:
    """The frames come in one reused buffer: figures are right only if each is measured as it passes."""
    buffer = np.empty((HEIGHT, WIDTH, 3), np.uint8)

    def reused() -> Iterable[NDArray[np.uint8]]:
        for frame in good_loop():
            buffer[:] = frame
            yield buffer

    assert measured(reused()) == measured(good_loop())


@pytest.mark.parametrize("number", [0, 5])
def test_a_frame_shown_twice_as_long_is_a_repeated_one(tmp_path: Path, number: int) -> None:
    pictures = [Image.fromarray(frame) for frame in good_loop()]
    durations = [80 if k == number else 40 for k in range(COUNT)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    report = check_loop(tmp_path / "a.gif")
    assert report.loop.frames == COUNT + 1
    assert "stall" in failed(report)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.webp", "a.apng", "f/%03d.png"])
def test_our_files_pass_and_bad_ones_fail(tmp_path: Path, name: str) -> None:
    good = check_loop(written(good_loop(), tmp_path / "good" / name))
    assert good.passed, [finding.sentence for finding in good.findings]
    for number, spoil in enumerate((stalled, cut)):
        bad = check_loop(written(spoil(good_loop()), tmp_path / str(number) / name))
        assert "seam" in failed(bad), (spoil.__name__, bad.loop)
    assert "stall" in failed(check_loop(written(held(good_loop()), tmp_path / "held" / name)))


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "f/%03d.png"])
def test_static_pixels(tmp_path: Path, name: str) -> None:
    photo, mask_file = tmp_path / "photo.png", tmp_path / "mask.png"
    Image.fromarray(good_loop()[0]).save(photo)
    Image.fromarray((mask() * 255).astype(np.uint8)).save(mask_file)
    good = check_loop(written(good_loop(), tmp_path / "good" / name), photo=photo, mask=mask_file)
    assert good.passed, [finding.sentence for finding in good.findings]
    moved = good_loop()
    moved[5:, 2 * HEIGHT // 3 :] = np.roll(moved[5:, 2 * HEIGHT // 3 :], 3, axis=2)
    bad = check_loop(written(moved, tmp_path / "bad" / name), photo=photo, mask=mask_file)
    assert "static pixels" in failed(bad)


def test_photo_of_another_shape(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    path = written(good_loop(), tmp_path / "a.mp4")
    with pytest.raises(InputError, match="another shape"):
        check_loop(path, photo=tmp_path / "photo.png")


def test_larger_photo_is_brought_to_the_size_of_the_loop(tmp_path: Path) -> None:
    Image.fromarray(good_loop()[0]).resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.NEAREST).save(tmp_path / "p.png")
    Image.fromarray((mask() * 255).astype(np.uint8)).save(tmp_path / "m.png")
    path = written(good_loop(), tmp_path / "%d.png")
    assert check_loop(path, photo=tmp_path / "p.png", mask=tmp_path / "m.png").passed


def test_still_pictures_are_not_loops(tmp_path: Path) -> None:
    still = np.repeat(good_loop()[:1], 8, axis=0)
    for name in ("a.webm", "a.gif", "f/%d.png"):
        assert "motion" in failed(check_loop(written(still, tmp_path / name))), name
    Image.fromarray(still[0]).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="at least 3 frames"):
        check_loop(tmp_path / "a.png")


def test_unreadable_loops(tmp_path: Path) -> None:
    whole = written(good_loop(), tmp_path / "a.webp").read_bytes()
    (tmp_path / "cut.webp").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "text.mp4").write_text("not a video " * 50)
    (tmp_path / "empty").mkdir()
    for name in ("cut.webp", "text.mp4", "empty", "missing.mp4"):
        with pytest.raises(InputError) as caught:
            check_loop(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_frames_of_different_sizes(tmp_path: Path) -> None:
    written(good_loop(), tmp_path / "%d.png")
    Image.new("RGB", (32, 32)).save(tmp_path / "16.png")
    with pytest.raises(InputError, match="differ in size"):
        measure_loop(read_frames(tmp_path / "%d.png"))


def test_folder_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 2, 1):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"frame{number}.png")
    assert [int(frame[0, 0, 0]) for frame in read_frames(tmp_path)] == [1, 2, 9, 10]
