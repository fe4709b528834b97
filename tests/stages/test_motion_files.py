"""Motion files: every format read and written, every mistake answered with one line."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from cinegan_cli.errors import CineganError, InputError, OutputError, UsageError
from cinegan_cli.stages.motion.files import FLO_MAGIC, read_motion, read_motion_filled, write_motion
from cinegan_cli.types import Motion


def field(shape: tuple[int, ...] = (2, 5, 7)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("suffix", [".npy", ".flo"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    motion = Motion(torch.from_numpy(field()), "given")
    path = tmp_path / f"motion{suffix}"
    write_motion(path, motion)
    torch.testing.assert_close(read_motion(path), motion.velocity, rtol=1e-6, atol=0)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_files_hold_px_per_frame_at_30_fps(tmp_path: Path) -> None:
    write_motion(tmp_path / "m.npy", Motion(torch.full((2, 3, 4), 30.0), "given"))
    stored = np.load(tmp_path / "m.npy")
    assert stored.shape == (2, 3, 4)
    assert stored.dtype == np.float32
    assert (stored == 1.0).all()


def test_flo_is_middlebury_interleaved(tmp_path: Path) -> None:
    values = field((2, 2, 3))
    write_motion(tmp_path / "m.flo", Motion(torch.from_numpy(values) * 30, "given"))
    data = (tmp_path / "m.flo").read_bytes()
    assert data[:4] == b"PIEH"
    assert struct.unpack("<ii", data[4:12]) == (3, 2)
    np.testing.assert_allclose(np.frombuffer(data[12:], "<f4").reshape(2, 3, 2), values.transpose(1, 2, 0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16])
@pytest.mark.parametrize("lead", [(), (1,)])
def test_npy_of_any_real_dtype_with_or_without_a_batch(tmp_path: Path, dtype: type, lead: tuple[int, ...]) -> None:
    values = (field() * 4).astype(dtype)
    np.save(tmp_path / "m.npy", values.reshape(lead + values.shape))
    np.testing.assert_allclose(read_motion(tmp_path / "m.npy").numpy(), values.astype(np.float32) * 30)


@pytest.mark.parametrize("names", [("anything",), ("other", "motion"), ("other", "flow"), ("other", "arr_0")])
def test_npz_with_one_array_or_a_known_key(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = {name: np.zeros(3) for name in names[:-1]} | {names[-1]: field()}
    np.savez(tmp_path / "m.npz", **arrays)
    np.testing.assert_allclose(read_motion(tmp_path / "m.npz").numpy(), field() * 30)


def _not_finite() -> np.ndarray:
    values = field()
    values[0, 1, 2], values[1, 0, 0] = np.nan, np.inf
    return values


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (field((5, 7, 2)), "[5, 7, 2]; motion is [2, h, w] or [1, 2, h, w]; it looks like [h, w, 2]"),
        (field((3, 5, 7)), "[3, 5, 7]"),
        (field((2, 2, 5, 7)), "[2, 2, 5, 7]"),
        (field((5, 7)), "[5, 7]"),
        (np.float32(3), "[]"),
        (field((2, 0, 7)), "grid of 7x0 px"),
        (_not_finite(), "1 of 70 values are infinite"),
        (np.full((2, 3, 3), 1e300), "18 of 18 values"),
        (field().astype(np.complex64), "complex64"),
        (np.array([{"a": 1}], dtype=object), "Python objects"),
    ],
)
def test_wrong_arrays(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "m.npy", array, allow_pickle=True)
    _expect(tmp_path / "m.npy", words)


def _expect(path: Path, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_motion(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def _npy_bytes(tmp_path: Path, name: str) -> bytes:
    target = tmp_path / f"good{name}"
    np.savez(target, field()) if name == ".npz" else np.save(target, field())
    return target.read_bytes()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.95])
def test_cut_numpy_files(tmp_path: Path, suffix: str, part: float) -> None:
    data = _npy_bytes(tmp_path, suffix)
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(len(data) * part)])
    _expect(path, "damaged or cut")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not start with PIEH"),
        (b"RIFF" + bytes(40), "does not start with PIEH"),
        (FLO_MAGIC + b"\x01\x00", "header is cut after 6 bytes"),
        (FLO_MAGIC + struct.pack("<ii", 4, 3) + bytes(50), "need 96 bytes after the header, found 50"),
        (FLO_MAGIC + struct.pack("<ii", 4, 3) + bytes(97), "found more"),
        (FLO_MAGIC + struct.pack("<ii", 0, 3), "says 0x3"),
        (FLO_MAGIC + struct.pack("<ii", 2**31 - 1, 2**31 - 1), "says 2147483647x"),
        (FLO_MAGIC + struct.pack("<iiff", 1, 1, float("nan"), 0), "NaN"),
    ],
)
def test_wrong_flo_files(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "m.flo").write_bytes(data)
    _expect(tmp_path / "m.flo", words)


def test_other_wrong_files(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("hello")
    _expect(tmp_path / "text.npy", "damaged or cut")
    _expect(tmp_path / "absent.npy", "no such motion file")
    _expect(tmp_path / "absent.flo", "no such motion file")
    _expect(tmp_path / "field.png", "not in .png")
    (tmp_path / "folder.npy").mkdir()
    _expect(tmp_path / "folder.npy", "cannot be read")
    np.savez(tmp_path / "two.npz", a=field(), b=field())
    _expect(tmp_path / "two.npz", "holds a, b; name the field")


def test_a_failed_write_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    motion = Motion(torch.zeros(2, 3, 3), "given")
    for path, error in (
        (tmp_path / "m.png", UsageError),
        (tmp_path / "absent" / "m.npy", OutputError),
    ):
        with pytest.raises(error) as caught:
            write_motion(path, motion)
        assert isinstance(caught.value, CineganError)
        assert str(path) in str(caught.value)
    (tmp_path / "taken.npy").mkdir()
    with pytest.raises(OutputError):
        write_motion(tmp_path / "taken.npy", motion)
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken.npy"]


def with_gap(mark: float) -> np.ndarray:
    """An even motion that is not known in one corner, in one component only."""
    values = np.ones((2, 16, 16), np.float32) * np.array([[[2.0]], [[-1.0]]], np.float32)
    values[1, :5, :6] = mark
    return values


def as_flo(values: np.ndarray) -> bytes:
    data = np.ascontiguousarray(values.transpose(1, 2, 0), "<f4").tobytes()
    return FLO_MAGIC + struct.pack("<ii", values.shape[2], values.shape[1]) + data


@pytest.mark.parametrize(("name", "mark"), [("m.flo", 1.7e9), ("m.flo", -1e10), ("m.flo", np.nan), ("m.npy", np.nan)])
def test_cells_that_are_not_known_move_as_those_around(tmp_path: Path, name: str, mark: float) -> None:
    path = tmp_path / name
    if name.endswith("flo"):
        path.write_bytes(as_flo(with_gap(mark)))
    else:
        np.save(path, with_gap(mark))
    velocity, notices = read_motion_filled(path)
    torch.testing.assert_close(velocity, torch.tensor([60.0, -30.0])[:, None, None].expand(2, 16, 16))
    assert len(notices) == 1
    assert "11.7%" in notices[0]
    with pytest.raises(InputError, match="not known"):  # where motion is measured nothing is made up
        read_motion(path)


def test_nothing_known_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.flo").write_bytes(as_flo(np.full((2, 4, 4), 1e10)))
    np.save(tmp_path / "m.npy", np.full((2, 4, 4), np.nan))
    for name in ("m.flo", "m.npy"):
        with pytest.raises(InputError, match="no motion in it"):
            read_motion_filled(tmp_path / name)


def test_marks_of_flo_are_no_marks_elsewhere(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", with_gap(1e10))
    with pytest.raises(InputError, match="per frame"):
        read_motion_filled(tmp_path / "m.npy")


@pytest.mark.parametrize("last", [False, True])
def test_arrays(last: bool) -> None:
    values = field()
    velocity, notices = read_motion_filled(values.transpose(1, 2, 0) if last else values)
    np.testing.assert_allclose(velocity.numpy(), values * 30)
    assert notices == ()
    with pytest.raises(InputError, match="the motion array"):
        read_motion_filled(field((3, 4, 5)))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".flo"])
def test_pipes_are_told_by_their_content(tmp_path: Path, suffix: str) -> None:
    data = as_flo(field()) if suffix == ".flo" else _npy_bytes(tmp_path, suffix)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True).start()
    np.testing.assert_allclose(read_motion(pipe).numpy(), field() * 30, rtol=1e-6)
