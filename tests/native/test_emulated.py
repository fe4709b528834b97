"""The CUDA kernels without a card: the operators' own tests on the emulation, and what they ask of the memory."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.native.emulate import EMULATED, FLAGS, HERE, main

needs_gcc = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


@pytest.mark.slow
@needs_gcc
def test_faults_are_found(tmp_path: Path) -> None:
    """A missing barrier, and a shuffle and a barrier that some threads never reach; nothing in a sound kernel."""
    sources = [HERE / "faulty_kernels.cpp", EMULATED / "emulator.cpp"]
    subprocess.run(["g++", *FLAGS, *sources, "-o", tmp_path / "faulty"], check=True)
    result = subprocess.run([tmp_path / "faulty"], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:4] == ["missing barrier 1", "shuffle 1", "barrier 1", "sound 0"]


@pytest.mark.slow
@needs_gcc
def test_operators() -> None:
    """Every operator's tests, its kernel in its place, under AddressSanitizer."""
    assert main(["test"]) == 0


@pytest.mark.slow
@needs_gcc
def test_counts(capfd: pytest.CaptureFixture[str]) -> None:
    """What the kernels are written for: additions merged along a row, requests that are whole."""
    assert main(["count"]) == 0
    rows = {}
    for line in capfd.readouterr().out.splitlines():
        case, kernel, _, *numbers = (cell.strip() for cell in line.strip("| ").split("|"))
        if numbers and numbers[0][:1].isdigit():
            rows[kernel, case] = [float(number) for number in numbers]
    loads, load_sectors, stores, atomic_sectors, additions = 0, 1, 2, 5, 6
    few, many = "3x48x96 planes", "32x8x64 channels last"
    assert rows["splat_planes", few][additions] < 0.6 * 4 * 4 / 3  # with the denominator's
    assert rows["sample_grad_image_planes", few][additions] < 0.4 * 36
    assert rows["sample_grad_image_channels", many][atomic_sectors] < 36 / 8
    assert rows["sample_channels", many][load_sectors] < 1.1 * 36 / 8
    assert rows["sample_grad_positions_planes", few][loads] < 1.1 * 36 / 32
    assert rows["composite", few][stores] < 0.02
