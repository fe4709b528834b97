"""The figures that `cinegan evaluate` prints, one by one, against closed forms; and the tables they stand in."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from cinegan_cli.errors import InputError, OutputError
from cinegan_cli.evaluate.kinds import coarse_labels, kind_labels
from cinegan_cli.evaluate.masks import Judged, by_kind, kind_sums
from cinegan_cli.evaluate.motions import errors
from cinegan_cli.evaluate.photos import spread
from cinegan_cli.evaluate.protocol import distances
from cinegan_cli.evaluate.tables import Column, Table, write_csv
from cinegan_cli.measure import score
from cinegan_cli.models.lpips import read_lpips
from cinegan_cli.types import FALLS, FOG, IGNORE, KINDS, LAKE, MOVING, RIVER, SKY, WATER, Mask, Sight
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


def judged(found: list[int], truth: list[int], kinds: list[int] | None = None) -> Judged:
    """A photo of one row of pixels."""
    rows = [None if row is None else np.array([row], np.uint8) for row in (found, truth, kinds)]
    assert rows[0] is not None
    assert rows[1] is not None
    return Judged(rows[0], rows[1], kind_sums(rows[0], rows[2], rows[1]), {})


def test_kinds_of_masks_are_judged_where_they_are_painted() -> None:
    found = [0, 2, 2, 2, 2, 1, 1, 0]
    truth = [0, RIVER, RIVER, FALLS, WATER, FOG, IGNORE, LAKE]
    kinds = [0, RIVER, FALLS, FALLS, RIVER, FOG, SKY, 0]
    rows = {str(row["kind"]): row for row in by_kind([judged(found, truth, kinds)]).rows}
    assert set(rows) == {"static", "river", "falls", "water", "fog", "lake"}
    assert rows["river"]["iou"] == pytest.approx(1 / 2)  # the pixel of unknown water counts in no kind
    assert rows["falls"]["iou"] == pytest.approx(1 / 2)
    assert (rows["fog"]["iou"], rows["lake"]["iou"], rows["water"]["iou"]) == (1, 0, None)
    assert (rows["river"]["moves"], rows["lake"]["moves"], rows["static"]["moves"]) == (1, 0, 0)
    assert rows["river"]["area"] == pytest.approx(2 / 7)
    assert all(row["iou"] is None for row in by_kind([judged(found, truth)]).rows)


def test_white_that_is_not_told_apart_counts_for_moving_alone() -> None:
    each = judged([0, 0, 1, 2], [0, MOVING, MOVING, MOVING])
    assert score([each.moving]).moving == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert not each.has_classes
    mixed = judged([0, 1, 1, 2], [0, SKY, MOVING, WATER])
    assert mixed.has_classes
    assert score([mixed.classes]).classes == (1, 1, 1)


def test_kinds_of_a_mask_are_those_of_its_sight_where_it_moves() -> None:
    kinds = torch.zeros(10, 1, 2)
    kinds[0] = 0.6  # static is most likely, but the mask decides that
    kinds[KINDS.index("falls"), 0, 0] = kinds[KINDS.index("fog"), 0, 1] = 0.3
    nothing = torch.zeros(2, 1, 2)
    alpha = torch.ones(2, 4)
    alpha[1] = 0.2
    mask = Mask(alpha, "predicted", sight=Sight(kinds, nothing, nothing, nothing[0]))
    found = kind_labels(mask)
    assert found is not None
    assert found.tolist() == [[FALLS, FALLS, FOG, FOG], [0, 0, 0, 0]]
    assert kind_labels(Mask(alpha, "given")) is None
    assert coarse_labels(mask).tolist() == [[MOVING] * 4, [0] * 4]


def test_photos_are_taken_evenly() -> None:
    assert spread(list("abcdef"), 3) == ["a", "c", "e"]
    assert spread(list("ab"), 5) == spread(list("ab"), None) == ["a", "b"]
