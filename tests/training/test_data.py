"""`cinegan data`: painted scenes move as they say, clips give back the truth, and what is no good is left out."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cinegan_cli.errors import ExitStatus, InputError, OutputError, UsageError
from cinegan_cli.measure.clip_faults import camera_fault, clip_fault
from cinegan_cli.measure.flow import measure_motion
from cinegan_cli.training.data import folder as data_set
from cinegan_cli.training.data.from_photos import from_photos, perceptual_hash
from cinegan_cli.training.data.from_videos import from_videos
from cinegan_cli.training.data.scenes import KINDS, Scene
from cinegan_cli.training.data.synthetic import make_synthetic
from cinegan_cli.training.settings import PhotosConfig, SyntheticConfig, VideosConfig
from tests.small_scene import invoke, tree

FPS = 12.0
SIZE = (160, 120)
Frames = list[NDArray[np.uint8]]


def painted(count: int = 12, kind: str = "sky") -> Frames:
    """A scene whose upper half moves, at 12 frames/s."""
    scene = Scene(11, SIZE, kind)
    return [scene.at(n / FPS) for n in range(count)]


def write_frames(folder: Path, frames: Frames) -> Path:
    folder.mkdir(parents=True)
    for n, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{n:03d}.png", compress_level=1)
    return folder


def moved(frame: NDArray[np.uint8], x: float, y: float) -> NDArray[np.uint8]:
    """As a camera that looks elsewhere sees it."""
    shift = np.array([[1, 0, x], [0, 1, y]], np.float64)
    return np.asarray(cv2.warpAffine(frame, shift, SIZE, borderMode=cv2.BORDER_REFLECT), np.uint8)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


# ---- painted scenes


@pytest.mark.parametrize("kind", KINDS)
def test_painted_particles_go_where_the_field_says(kind: str) -> None:
    scene = Scene(7, (256, 192), kind)
    time = 0.2
    one, other = (scene.at(t).astype(np.float32).mean(2) for t in (0.0, time))
    y, x = np.mgrid[0:192, 0:256].astype(np.float32)
    step = scene.velocity * time * 256  # px
    seen = cv2.remap(other, x + step[0], y + step[1], cv2.INTER_CUBIC)
    inside = cv2.erode((scene.kinds > 0).astype(np.uint8), np.ones((9, 9))) > 0
    inside[:8], inside[-8:], inside[:, :8], inside[:, -8:] = False, False, False, False
    along = np.abs(seen - one)[inside].mean()
    against = np.abs(cv2.remap(other, x - step[0], y - step[1], cv2.INTER_CUBIC) - one)[inside].mean()
    assert along < 0.75 * np.abs(other - one)[inside].mean()
    assert along < 0.4 * against
    still = scene.kinds == 0
    assert np.array_equal(scene.at(0)[still], scene.at(1)[still])
    assert not scene.velocity[:, still].any()


def test_synthetic_sets_repeat_and_say_what_they_are(tmp_path: Path) -> None:
    config = SyntheticConfig(count=3, size=96, seed=4)
    names = make_synthetic(tmp_path / "one", config)
    make_synthetic(tmp_path / "two", config)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert names == ["synthetic_4_00000", "synthetic_4_00001", "synthetic_4_00002"]
    assert make_synthetic(tmp_path / "one", SyntheticConfig(count=4, size=96, seed=4)) == ["synthetic_4_00003"]
    for row in rows(tmp_path / "one" / "manifest.csv"):
        folder = (tmp_path / "one" / row["file"]).parent
        photo, mask, kinds = (np.array(Image.open(folder / f"{name}.png")) for name in ("photo", "mask", "kinds"))
        motion = np.load(folder / "motion.npy")
        assert photo.shape == (*mask.shape, 3)
        assert motion.shape == (2, *mask.shape)
        assert motion.dtype == np.float16
        assert np.array_equal(mask > 0, kinds > 0)
        assert float(row["moving"]) == pytest.approx((mask > 0).mean(), abs=0.02)
        assert row["licence"] == "CC0-1.0"


# ---- clips


def test_clips_of_painted_scenes_give_back_the_truth(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    painted_set, measured = tmp_path / "painted", tmp_path / "measured"
    make_synthetic(painted_set, SyntheticConfig(count=1, size=192, seed=11, clips=True))
    truth = next(painted_set.glob("*/motion.npy")).parent
    clip = truth / "clip.mp4"
    outcome = invoke(f"data from-videos {clip} --out {measured} --licence CC0", capfd)
    assert outcome.status == ExitStatus.OK, outcome.stderr
    found = measured / "clip_000"
    wanted, given = (np.load(folder / "motion.npy").astype(np.float32) for folder in (truth, found))
    masks = [np.array(Image.open(folder / "mask.png")) > 0 for folder in (truth, found)]
    assert (masks[0] & masks[1]).sum() > 0.85 * (masks[0] | masks[1]).sum()
    inside = masks[0] & masks[1]
    error = np.hypot(*(given - wanted))[inside].mean() / np.hypot(*wanted)[inside].mean()
    assert error < 0.25, "measured: 0.1"
    photos = [np.array(Image.open(folder / "photo.png")).astype(float) for folder in (truth, found)]
    assert np.abs(photos[0] - photos[1]).mean() < 4, "H.264"
    (row,) = rows(measured / "manifest.csv")
    assert (row["file"], row["licence"], row["source"]) == ("clip_000/photo.png", "CC0", "clip.mp4")


def shaken(frames: Frames) -> Frames:
    rng = np.random.default_rng(0)
    return [moved(frame, *rng.normal(0, 1.5, 2)) for frame in frames]


def panned(frames: Frames) -> Frames:
    return [moved(frames[0], 0.8 * n, 0.2 * n) for n in range(len(frames))]


def cut(frames: Frames) -> Frames:
    return [*frames[:6], *(255 - frame for frame in frames[6:])]


FAULTS: dict[str, tuple[Callable[[Frames], Frames], str]] = {
    "shaken": (shaken, "the camera shakes"),
    "panned": (panned, "the camera pans or zooms"),
    "cut": (cut, "a cut or flash"),
    "still": (lambda frames: frames[:1] * len(frames), "hardly anything moves"),
    "to_and_fro": (lambda frames: [frames[n % 2] for n in range(len(frames))], "moves to and fro"),
    "short": (lambda frames: frames[:2], "the clip has 2 frames"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_clips_that_are_no_good_are_left_out_with_the_reason(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spoil, reason = FAULTS[name]
    write_frames(tmp_path / "clips" / name, spoil(painted()))
    write_frames(tmp_path / "clips" / "good", painted())
    out = tmp_path / "set"
    outcome = invoke(f"data from-videos {tmp_path / 'clips'} --out {out} --fps {FPS} --licence CC0", capfd)
    assert outcome.status == ExitStatus.OK, outcome.stderr
    assert [row["file"] for row in rows(out / "manifest.csv")] == ["good_000/photo.png"]
    (row,) = rows(out / "rejected.csv")
    assert row["file"] == name
    assert row["reason"].startswith(reason)
    assert name in outcome.stderr


def test_a_good_clip_has_no_fault() -> None:
    motion = measure_motion(painted(), FPS)
    assert camera_fault(motion, FPS) is None
    assert clip_fault(motion) is None


def test_nothing_usable_is_an_error_and_the_reasons_are_kept(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "still", painted()[:1] * 8)
    with pytest.raises(InputError, match="still"):
        from_videos([folder], tmp_path / "set", VideosConfig(fps=FPS))
    assert [row["file"] for row in rows(tmp_path / "set" / "rejected.csv")] == ["still"]


def test_windows_of_long_clips(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "long", painted(40))
    made = from_videos([folder], tmp_path / "set", VideosConfig(fps=FPS, window=0.75, windows=2))  # 9 frames each
    assert made.added == ("long_000", "long_015")
    photo = np.array(Image.open(tmp_path / "set" / "long_015" / "photo.png"))
    assert np.array_equal(photo, np.array(Image.open(folder / "018.png")))


def test_licences_come_from_the_manifest_beside(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    for name in ("one", "two"):
        write_frames(clips / name, painted(8))
    text = "file,licence,source,split,train_shipped_weights\nvideos/one,CC BY 4.0,somebody,eval,no\n"
    (clips / "manifest.csv").write_text(text)
    made = from_videos([clips], tmp_path / "set", VideosConfig(fps=FPS))
    first, second = rows(tmp_path / "set" / "manifest.csv")
    wanted = ("licence", "source", "split", "train_shipped_weights")
    assert [first[key] for key in wanted] == ["CC BY 4.0", "somebody", "eval", "no"]
    assert [second[key] for key in wanted] == ["not stated", "two", "train", "yes"]
    assert made.unstated == 1
    (clips / "manifest.csv").write_text("name\none\n")
    with pytest.raises(InputError, match=r"manifest\.csv"):
        from_videos([clips], tmp_path / "other", VideosConfig(fps=FPS))


def test_a_stopped_run_goes_on_and_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clips, out = tmp_path / "clips", tmp_path / "set"
    for name in ("one", "two"):
        write_frames(clips / name, painted(8))
    replace = data_set.os.replace

    def stop(source: Path, target: Path) -> None:
        if target.name == "two_000":
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(data_set.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        from_videos([clips], out, VideosConfig(fps=FPS))
    monkeypatch.setattr(data_set.os, "replace", replace)
    assert sorted(path.name for path in out.iterdir()) == ["manifest.csv", "one_000"]
    (out / "two_000").mkdir()  # as a kill between the folder and its row leaves it
    (out / "two_000" / "photo.png").write_bytes(b"")
    before = tree(out / "one_000")
    made = from_videos([clips], out, VideosConfig(fps=FPS))
    assert (made.added, made.kept) == (("two_000",), ("one_000",))
    assert tree(out / "one_000") == before
    assert np.array(Image.open(out / "two_000" / "photo.png")).shape == (*SIZE[::-1], 3)


@pytest.mark.parametrize(
    ("arguments", "status", "names"),
    [
        ("from-videos nothing.mp4 --out set", ExitStatus.INPUT, "nothing.mp4"),
        ("from-videos empty --out set", ExitStatus.INPUT, "empty"),
        ("from-videos clips --out full", ExitStatus.ENCODER, "full --out"),
        ("from-videos clips --out set --flow raft", ExitStatus.USAGE, "--raft-weights"),
        ("from-videos clips --out set --window 0", ExitStatus.USAGE, "--window"),
        ("from-photos nothing --out set", ExitStatus.INPUT, "nothing"),
        ("from-photos empty --out set", ExitStatus.INPUT, "empty"),
        ("synthetic --out full/file.txt --count 1", ExitStatus.ENCODER, "full/file.txt --out"),
        ("synthetic --out set --count 0", ExitStatus.USAGE, "--count"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    arguments: str,
    status: ExitStatus,
    names: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "file.txt").write_text("mine")
    write_frames(tmp_path / "clips" / "one", painted(4))
    before = tree(tmp_path)
    outcome = invoke(f"data {arguments}", capfd)
    assert outcome.status == status
    assert len(outcome.complaints) == 1
    assert all(name in outcome.complaints[0] for name in names.split()), "the line names what is wrong"
    assert tree(tmp_path) == before


def test_raft_without_torchvision_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchvision.models.optical_flow", None)
    folder = write_frames(tmp_path / "one", painted(4))
    with pytest.raises(UsageError, match=r"torchvision.*cinegan\[raft\].*--flow dis"):
        from_videos([folder], tmp_path / "set", VideosConfig(flow="raft", raft_weights=tmp_path / "raft_small.pth"))


# ---- photos


def test_photos_once_each_with_their_masks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    photos, out = tmp_path / "photos", tmp_path / "set"
    photos.mkdir()
    scene, other = (Scene(seed, (200, 150), "lake") for seed in (1, 2))
    Image.fromarray(scene.at(0)).save(photos / "a.png")
    Image.fromarray(scene.at(0)).resize((160, 120)).save(photos / "copy.jpg", quality=60)
    Image.fromarray(other.at(0)).save(photos / "b.png")
    Image.fromarray(scene.kinds).save(photos / "a_mask.png")
    Image.fromarray((other.kinds > 0).astype(np.uint8) * 255).save(photos / "b_mask.png")
    (photos / "broken.jpg").write_bytes(b"no picture")
    Image.fromarray(other.at(0)[:20, :20]).save(photos / "tiny.png")
    outcome = invoke(f"data from-photos {photos} --out {out} --short-side 75 --licence CC0", capfd)
    assert outcome.status == ExitStatus.OK, outcome.stderr
    assert [row["file"] for row in rows(out / "manifest.csv")] == ["photos/a.jpg", "photos/b.jpg"]
    with Image.open(out / "photos" / "a.jpg") as photo:
        assert photo.size == (100, 75)
    assert np.array_equal(np.array(Image.open(out / "annotated" / "a_mask.png")), scene.kinds)
    assert set(np.unique(np.array(Image.open(out / "annotated" / "b_mask.png")))) == {0, 3}, "moves: sky or water"
    reasons = {row["file"]: row["reason"] for row in rows(out / "rejected.csv")}
    assert reasons.keys() == {"broken.jpg", "copy.jpg", "tiny.png"}
    assert reasons["copy.jpg"] == "the same picture as a.jpg"
    again = from_photos([photos], out, PhotosConfig(short_side=75))
    assert (again.added, again.kept) == ((), ("a", "b"))


def test_hash_knows_copies_from_other_pictures() -> None:
    pictures = [Scene(seed, (128, 96)).at(0) for seed in range(6)]
    bits = [perceptual_hash(picture) for picture in pictures]
    small = [perceptual_hash(np.asarray(cv2.resize(p, (90, 70), interpolation=cv2.INTER_AREA))) for p in pictures]
    assert max((a ^ b).bit_count() for a, b in zip(bits, small, strict=True)) <= 4
    assert min((bits[i] ^ bits[k]).bit_count() for i in range(6) for k in range(i)) > 4


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="--out"):
        make_synthetic(tmp_path / "file" / "set", SyntheticConfig(count=1, size=64))
