"""Frames of photos, clips and LMDB sets, as a progressive training reads them."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.training.data import (
    FrameStore,
    clip_sources,
    crop_pair_view,
    is_lmdb,
    lmdb_sources,
    make_stores,
    pair_view,
    photo_sources,
    photo_view,
    unheard,
)
from cinegan_cli.training.data.frames import MOST_FRAMES, thinned


def ramp(width: int, height: int, level: int) -> np.ndarray:
    """Red grows to the right, green downwards, blue is the level: places and frames can be read off."""
    y, x = np.mgrid[:height, :width]
    return np.stack((x * 255 // width, y * 255 // height, np.full_like(x, level)), 2).astype(np.uint8)


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    """A photo of 80 x 40 px and a clip of three such frames, at 16 and at 8 px."""
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), ramp(80, 40, 0)[:, :, ::-1])
    (tmp_path / "clips" / "c").mkdir(parents=True)
    for n in range(3):
        cv2.imwrite(str(tmp_path / "clips" / "c" / f"{n}.png"), ramp(80, 40, 100 + 50 * n)[:, :, ::-1])
    sources = [*photo_sources(tmp_path / "photos"), *clip_sources(tmp_path / "clips")]
    make_stores(sources, (8, 16), tmp_path / "data", unheard)
    return FrameStore(tmp_path / "data" / "16.bin", 16)


def test_frames_are_kept_at_both_sizes(store: FrameStore, tmp_path: Path) -> None:
    assert store.photos == [0]
    assert store.clips == [1]
    assert store.frame(1, 2).shape == (16, 32, 3)
    assert store.frame(1, 2)[0, 0, 2] == 200
    small = FrameStore(tmp_path / "data" / "8.bin", 8)
    assert small.frame(0, 0).shape == (8, 16, 3)
    assert abs(int(small.frame(0, 0)[4, 8, 0]) - int(store.frame(0, 0)[8, 16, 0])) < 9


def test_frames_are_not_decoded_again(store: FrameStore, tmp_path: Path) -> None:
    sources = [*photo_sources(tmp_path / "photos"), *clip_sources(tmp_path / "clips")]
    before = (tmp_path / "data" / "16.bin").stat().st_mtime_ns
    make_stores(sources, (8, 16), tmp_path / "data", unheard)
    assert (tmp_path / "data" / "16.bin").stat().st_mtime_ns == before
    make_stores(sources[:1], (8, 16), tmp_path / "data", unheard)
    assert FrameStore(tmp_path / "data" / "16.bin", 16).clips == []


def test_pairs_are_two_frames_at_one_place_and_false_pairs_one_at_two(store: FrameStore) -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        pair = pair_view(store, rng)
        assert pair.shape == (2, 16, 16, 3)
        assert np.array_equal(pair[0, ..., :2], pair[1, ..., :2]), "red and green tell the place"
        assert pair[0, 0, 0, 2] != pair[1, 0, 0, 2], "blue tells the frame"
        crops = crop_pair_view(store, rng)
        assert crops[0, 0, 0, 2] == crops[1, 0, 0, 2]
    assert photo_view(store, np.random.default_rng(0)).shape == (16, 16, 3)


def test_crops_of_a_square_frame_differ(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    for n in range(2):
        cv2.imwrite(str(tmp_path / "c" / f"{n}.png"), ramp(64, 64, n)[:, :, ::-1])
    make_stores(clip_sources(tmp_path / "c"), (32,), tmp_path / "data", unheard)
    store = FrameStore(tmp_path / "data" / "32.bin", 32)
    crops = [crop_pair_view(store, np.random.default_rng(seed)) for seed in range(8)]
    assert any(not np.array_equal(crop[0], crop[1]) for crop in crops)
    assert all(crop.shape == (2, 32, 32, 3) for crop in crops)


def test_a_long_clip_is_thinned_evenly() -> None:
    frames = [np.full((1, 1, 3), n % 251, np.uint8) for n in range(5 * MOST_FRAMES)]
    kept = thinned(iter(frames))
    assert MOST_FRAMES / 2 <= len(kept) <= MOST_FRAMES
    assert [int(frame[0, 0, 0]) for frame in kept[:4]] == [0, 8, 16, 24]


def test_a_manifest_keeps_clips_from_training(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    (tmp_path / "manifest.csv").write_text("file,split,train_shipped_weights\na.mp4,eval,yes\n")
    with pytest.raises(InputError, match=r"manifest\.csv"):
        clip_sources(tmp_path)


def released_set(folder: Path, clips: list[list[np.ndarray]], *, moving: bool, length: str | None = None) -> None:
    """An environment as the release's prepare_data.py writes it."""
    lmdb = pytest.importorskip("lmdb")
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=2**24) as environment, environment.begin(write=True) as writing:
        for n, frames in enumerate(clips):
            keys = [f"{n:07d}-{k:07d}" for k in range(len(frames))] if moving else [f"{n:07d}"]
            for key, frame in zip(keys, frames, strict=True):
                data = io.BytesIO()
                Image.fromarray(frame).save(data, "JPEG", quality=85)
                writing.put(key.encode(), data.getvalue())
            if moving:
                writing.put(f"{n:07d}-length".encode(), f"{len(frames):07d}".encode())
        writing.put(b"length", (length or f"{len(clips):07d}").encode())


def test_sets_of_the_release_are_read(tmp_path: Path) -> None:
    frames = [ramp(32, 16, 40 * n) for n in range(3)]
    for size in (8, 16):
        released_set(tmp_path / "videos" / str(size), [frames, frames[:2]], moving=True)
    released_set(tmp_path / "images" / "16", [frames[:1]] * 4, moving=False)
    assert is_lmdb(tmp_path / "videos")
    assert not is_lmdb(tmp_path)
    clips = lmdb_sources(tmp_path / "videos", 16, moving=True)
    photos = lmdb_sources(tmp_path / "images" / "16", 16, moving=False)
    make_stores([*photos, *clips], (8, 16), tmp_path / "data", unheard)
    store = FrameStore(tmp_path / "data" / "16.bin", 16)
    assert len(store.photos) == 4
    assert [store.length(k) for k in store.clips] == [3, 2]
    assert np.abs(store.frame(store.clips[0], 2).astype(int) - frames[2]).mean() < 6


def test_sets_that_are_cut_foreign_or_of_the_other_kind(tmp_path: Path) -> None:
    frames = [ramp(64, 48, n) for n in range(40)]
    released_set(tmp_path / "whole", [[frame] for frame in frames], moving=False)
    with pytest.raises(UsageError, match="--data"):
        lmdb_sources(tmp_path / "whole", 16, moving=True)
    whole = (tmp_path / "whole" / "data.mdb").read_bytes()
    for share in (0.0, 0.02, 0.5, 0.9):
        cut = tmp_path / f"cut{share}"
        cut.mkdir()
        (cut / "data.mdb").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=f"cut{share}"):
            lmdb_sources(cut, 16, moving=False)
    released_set(tmp_path / "foreign", [], moving=False, length="many")
    with pytest.raises(InputError, match="length"):
        lmdb_sources(tmp_path / "foreign", 16, moving=False)
    released_set(tmp_path / "short", [[frames[0]]], moving=False, length="0000002")
    told: list[str] = []
    make_stores(lmdb_sources(tmp_path / "short", 16, moving=False), (16,), tmp_path / "data", told.append)
    assert "0000001" in told[0]
