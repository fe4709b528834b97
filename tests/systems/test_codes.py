"""The cache of a look's codes: found again for the same task, never for another, bounded, and no more than a help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from cinegan_cli.config import InversionConfig
from cinegan_cli.models.store import open_models
from cinegan_cli.session import Session
from cinegan_cli.stages.look import apply, parse_target, regions
from cinegan_cli.systems.stylecinegan import codes
from cinegan_cli.systems.stylecinegan.invert import Inversion, analyse
from cinegan_cli.types import Mask, Photo
from tests.scenes import noise_photo, photo_of
from tests.small_models import write_models


class Task:
    """A photo to be given a look, and what its codes depend on; each test changes one of these things."""

    def __init__(self, folder: Path) -> None:
        self.bundle = write_models(folder / "small.safetensors")
        self.photo: Photo = noise_photo(64, 64)
        share = (torch.arange(64) < 32).float()[:, None].expand(64, 64).contiguous()
        self.mask = Mask(share, "given", sky=share, water=torch.zeros_like(share))
        self.reference = folder / "reference.png"
        self.paint(90)
        self.target = "sunset"
        self.inversion = self.inverted()

    def inverted(self) -> Inversion:
        return analyse(self.photo, open_models(self.bundle), InversionConfig(), session=Session(), vote=False)

    def paint(self, level: int) -> None:
        Image.new("RGB", (48, 32), (level, 60, 200)).save(self.reference)

    def codes(self) -> Tensor:
        target = parse_target(self.target)
        return codes.target_codes(self.photo, self.mask, target, self.inversion, session=Session())


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(codes, "STEPS", 1)
    return Task(tmp_path)


def task_votes() -> Tensor:
    """(static, sky, water) [3, 8, 8]: sky above."""
    sky = (torch.arange(8) < 4).float()[:, None].expand(8, 8)
    return torch.stack([1 - sky, sky, torch.zeros(8, 8)])


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "home" / "styles").glob("*"))


def edited_look(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = dict(apply.LOOKS)
    looks["sunset"] = replace(looks["sunset"], land=replace(looks["sunset"].land, light="#80c0ff"))
    monkeypatch.setattr(apply, "LOOKS", looks)


def another_photo(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    task.photo = photo_of(255 - task.photo.pixels_u8)


def another_mask(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    assert task.mask.sky is not None
    task.mask = replace(task.mask, sky=task.mask.sky.flip(0))


def other_latents(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = task.inversion.latents
    task.inversion = replace(task.inversion, latents=replace(latents, w_plus=latents.w_plus + 0.1))


def other_models(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    task.bundle = write_models(task.bundle.with_name("other.safetensors"))
    task.inversion = replace(task.inversion, models=open_models(task.bundle))


CHANGES: dict[str, Callable[[Task, pytest.MonkeyPatch], None]] = {
    "the look's values": edited_look,
    "the photo": another_photo,
    "the mask": another_mask,
    "the latents": other_latents,
    "the set of models": other_models,
    "the target": lambda task, _: setattr(task, "target", "night"),
    "a colour": lambda task, _: setattr(task, "target", "#336699"),
    "the steps": lambda _, monkeypatch: monkeypatch.setattr(codes, "STEPS", 2),
    "the rate": lambda _, monkeypatch: monkeypatch.setattr(codes, "RATE", 0.2),
    "the version": lambda _, monkeypatch: monkeypatch.setattr(codes, "__version__", "9.9"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_codes_are_kept_for_the_same_task_alone(
    what: str, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = task.codes()
    assert torch.equal(task.codes(), first)
    assert len(files(tmp_path)) == 1
    CHANGES[what](task, monkeypatch)
    task.codes()
    assert len(files(tmp_path)) == 2


def test_a_reference_photo_that_changed_on_disk_gives_other_codes(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "STEPS", 3)
    monkeypatch.setattr(codes, "PhotoEncoder", type("NoEncoder", (), {}))  # one that reads looks needs no cache
    monkeypatch.setattr(regions, "see", lambda *_, **__: None)  # slow, and not what changes here
    monkeypatch.setattr(regions, "three_ways", lambda _: task_votes())
    task.target = str(task.reference)
    first = task.codes()
    assert torch.equal(task.codes(), first)
    task.paint(230)
    second = task.codes()
    assert len(files(tmp_path)) == 2
    assert not torch.equal(first, second)


def test_codes_come_from_the_file_that_is_there(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = task.codes()
    monkeypatch.setattr(codes, "optimise", lambda *_: pytest.fail("optimised again"))
    assert torch.equal(task.codes(), first)


@pytest.mark.parametrize("content", [b"", b"no weights", None])
def test_a_damaged_file_is_made_again(task: Task, tmp_path: Path, content: bytes | None) -> None:
    first = task.codes()
    (kept,) = files(tmp_path)
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert torch.equal(task.codes(), first)
    assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(task: Task, tmp_path: Path) -> None:
    (tmp_path / "home").write_bytes(b"")  # a file where the folder should be
    first = task.codes()
    assert torch.equal(task.codes(), first)
    assert (tmp_path / "home").read_bytes() == b""


def test_the_cache_is_bounded_and_drops_the_oldest(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "KEPT", 2)
    seen: set[Path] = set()
    made = []
    for name in ("sunset", "night", "fog"):
        task.target = name
        task.codes()
        made += sorted(set(files(tmp_path)) - seen)
        seen.update(made)
    assert len(made) == 3
    assert files(tmp_path) == sorted(made[1:])
