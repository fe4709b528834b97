"""The figures that `cinegan evaluate` prints, one by one, against closed forms; and the tables they stand in."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from cinegan_cli.errors import InputError, OutputError
from cinegan_cli.evaluate.motions import errors
from cinegan_cli.evaluate.protocol import distances
from cinegan_cli.evaluate.tables import Column, Table, write_csv
from cinegan_cli.measure.frechet import Extractor, Features, frechet_distance
from cinegan_cli.measure.metrics import ms_ssim
from cinegan_cli.models.lpips import read_lpips
from tests.released_files import lpips_files
from tests.torchscript import write_script


def test_motion_errors_of_a_quarter_turn_at_half_the_speed() -> None:
    wanted = np.tile(np.float32([[2], [0]]), (1, 5))
    figures = errors(np.tile(np.float32([[0], [1]]), (1, 5)), wanted)
    assert figures["angle"] == pytest.approx(90)
    assert figures["speed"] == pytest.approx(0.5)
    assert figures["end_point"] == pytest.approx(5**0.5 / 2)
    assert figures["end_point_scaled"] == pytest.approx(2**0.5)


def features(rows: torch.Tensor) -> Features:
    """Taken in two parts, as they come from frames."""
    found = Features()
    found.add(rows[:3])
    found.add(rows[3:])
    return found


def test_frechet_distance_of_scaled_and_shifted_features(generator: torch.Generator) -> None:
    rows = torch.randn(200, 5, generator=generator, dtype=torch.float64)
    shift = torch.arange(5.0)
    # covariances C and 9 C: |m1 - m2|² + tr(C + 9 C - 2 (9 C²)^½) = |m1 - m2|² + 4 tr C
    expected = float((shift + 2 * rows.mean(0)).square().sum() + 4 * rows.T.cov().trace())
    assert frechet_distance(features(rows), features(3 * rows + shift)) == pytest.approx(expected)
    assert frechet_distance(features(rows), features(rows)) == pytest.approx(0, abs=1e-6)


def test_features_of_one_picture_have_no_covariance() -> None:
    one = Features()
    one.add(torch.ones(1, 3))
    with pytest.raises(ValueError, match="2 or more"):
        one.statistics()


def test_extractor_refuses_a_network_that_gives_no_features(tmp_path: Path) -> None:
    class Sum(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures.sum()

    write_script(Sum(), tmp_path / "sum.pt")
    with pytest.raises(InputError, match="must return features"):
        Extractor(tmp_path / "sum.pt")(torch.zeros(1, 3, 16, 16))


def test_lpips_reads_the_published_names_from_two_files(tmp_path: Path, generator: torch.Generator) -> None:
    lpips_files(tmp_path)
    lpips = read_lpips([tmp_path / "net.pth", tmp_path / "heads.pth"])
    picture = torch.rand(3, 80, 96, generator=generator)
    everywhere = torch.ones(80, 96, dtype=torch.bool)
    assert distances(picture, picture, everywhere, lpips)["lpips"] == pytest.approx(0, abs=1e-7)
    other = distances(picture, 1 - picture, everywhere, lpips)["lpips"]
    assert other is not None
    assert other > 1e-4
    with pytest.raises(InputError, match=r"its heads are missing; give .*alex\.pth"):
        read_lpips([tmp_path / "net.pth"])


def test_distances_do_not_depend_on_what_is_not_kept(generator: torch.Generator) -> None:
    a, b = torch.rand(2, 3, 48, 64, generator=generator)
    kept = torch.zeros(48, 64, dtype=torch.bool)
    kept[:, :32] = True
    elsewhere = torch.where(kept, a, torch.zeros(()))
    assert distances(a, b, kept, None) == distances(elsewhere, b, kept, None)
    assert distances(a, b, torch.zeros_like(kept), None) == {}
    level = 10 / 255
    assert distances(a.mul(0.5), a.mul(0.5) + level, kept, None)["rmse"] == pytest.approx(10, abs=1e-4)


def test_ms_ssim_of_even_and_of_blurred_pictures(generator: torch.Generator) -> None:
    one, other = torch.full((3, 180, 200), 0.2), torch.full((3, 180, 200), 0.6)
    luminance = (2 * 0.2 * 0.6 + 0.01**2) / (0.2**2 + 0.6**2 + 0.01**2)
    assert ms_ssim(one, other) == pytest.approx(luminance**0.1333, abs=5e-4)  # float32; seen 1.1e-4
    picture = torch.rand(3, 16, 20, generator=generator, dtype=torch.float64)
    at = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(at, at) / at.sum() ** 2
    patches = np.lib.stride_tricks.sliding_window_view(picture.numpy(), (11, 11), axis=(1, 2))
    mean = (patches * window).sum((3, 4))
    spread = (patches**2 * window).sum((3, 4)) - mean**2
    # against half of itself, at the one scale that fits: SSIM in closed form
    light = (mean**2 + 0.01**2) / (1.25 * mean**2 + 0.01**2)
    contrast = (spread + 0.03**2) / (1.25 * spread + 0.03**2)
    expected = (light * contrast).mean((1, 2)).mean()
    assert ms_ssim(picture, picture / 2) == pytest.approx(expected, abs=1e-5)


def test_tables_hold_the_same_rows_as_text_csv_and_json(tmp_path: Path) -> None:
    columns = (Column("method", "method"), Column("rmse", "RMSE↓", 2), Column("fid", "FID↓"), Column("holes", "holes"))
    rows = ({"method": "a, b", "rmse": 1 / 3, "holes": None}, {"method": "c", "rmse": None, "holes": 0.5})
    table = Table("Title", columns, rows, ("A note.",))
    assert table.as_text().splitlines() == [
        "Title",
        "",
        "| method | RMSE↓ | holes |",
        "|--------|-------|-------|",
        "| a, b   |  0.33 |     – |",
        "| c      |     – | 0.500 |",
        "",
        "A note.",
    ]
    write_csv(tmp_path / "table.csv", table)
    with (tmp_path / "table.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert read[0] == {"method": "a, b", "rmse": str(1 / 3), "holes": ""}
    assert table.as_dict()["rows"][1] == {"method": "c", "rmse": None, "holes": 0.5}
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []
    with pytest.raises(OutputError, match="cannot be written"):
        write_csv(tmp_path / "no" / "table.csv", table)
