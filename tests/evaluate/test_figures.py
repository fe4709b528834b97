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
from cinegan_cli.models.lpips import read_lpips
from tests.released_files import lpips_files


def test_motion_errors_of_a_quarter_turn_at_half_the_speed() -> None:
    wanted = np.tile(np.float32([[2], [0]]), (1, 5))
    figures = errors(np.tile(np.float32([[0], [1]]), (1, 5)), wanted)
    assert figures["angle"] == pytest.approx(90)
    assert figures["speed"] == pytest.approx(0.5)
    assert figures["end_point"] == pytest.approx(5**0.5 / 2)
    assert figures["end_point_scaled"] == pytest.approx(2**0.5)


def test_lpips_reads_the_published_names_from_two_files(tmp_path: Path, generator: torch.Generator) -> None:
    lpips_files(tmp_path)
    lpips = read_lpips([tmp_path / "net.pth", tmp_path / "heads.pth"])
    picture = torch.rand(3, 80, 96, generator=generator)
    everywhere = torch.ones(80, 96, dtype=torch.bool)
    assert distances(picture, picture, everywhere, lpips)["lpips"] == pytest.approx(0, abs=1e-7)
    other = distances(picture, 1 - picture, everywhere, lpips)["lpips"]
    assert other is not None
    assert other > 1e-4
    with pytest.raises(InputError, match=r"alex\.pth"):
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
    with pytest.raises(OutputError, match=r"table\.csv"):
        write_csv(tmp_path / "no" / "table.csv", table)
