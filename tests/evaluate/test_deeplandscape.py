"""DeepLandscape's tables: what their figures are, done properly and as released, and that the commands give them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cinegan_cli.errors import ExitStatus
from cinegan_cli.evaluate.deeplandscape_generation import PairSampler
from cinegan_cli.evaluate.deeplandscape_judges import LandscapeJudges, moving_of, sky_flow
from cinegan_cli.measure import ssim
from cinegan_cli.models import find_perceptual
from cinegan_cli.nn.lpips import Lpips
from cinegan_cli.systems.deeplandscape import VARIANTS
from cinegan_cli.types import KINDS, Sight
from tests.small_landscape_set import write_landscape_set
from tests.small_scene import invoke, texture
from tests.systems.small_deeplandscape import small_networks
from tests.torchscript import write_script

Capture = pytest.CaptureFixture[str]
Run = Callable[[str], dict[str, Any]]
HARBOUR = Path(__file__).parents[2] / "examples" / "harbour.jpg"


def judges(*, lpips: bool = False, as_released: bool = False) -> LandscapeJudges:
    """With random LPIPS, or what stands in for it."""
    torch.manual_seed(0)
    network = Lpips() if lpips else None
    if network is not None:
        for head in network.heads:
            head.copy_(torch.ones_like(head))
    return LandscapeJudges(network, None, None if lpips else find_perceptual()[0], None, as_released)


@pytest.fixture
def pair(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two pictures [3, 64, 80]."""
    a, b = torch.rand(2, 3, 64, 80, generator=generator)
    return a, b


def left(share: float) -> Tensor:
    """A mask bool [64, 80] of that share at the left."""
    still = torch.zeros(64, 80, dtype=torch.bool)
    still[:, : round(80 * share)] = True
    return still


def value(figures: dict[str, float | None], name: str) -> float:
    found = figures[name]
    assert found is not None
    return found


def test_proper_figures_count_only_what_is_still(pair: tuple[Tensor, Tensor]) -> None:
    judge, still = judges(), left(0.5)
    elsewhere = torch.where(still, pair[0], torch.zeros(()))
    assert judge.distances(pair[0], pair[1], still) == judge.distances(elsewhere, pair[1], still)
    wide, narrow = (judge.distances(*pair, left(share)) for share in (0.75, 0.25))
    assert value(wide, "ssim") == pytest.approx(value(narrow, "ssim"), abs=0.1)
    assert value(wide, "features") == pytest.approx(value(narrow, "features"), rel=0.3)
    assert judge.distances(*pair, left(0)) == {}


def test_released_figures_count_what_is_masked_as_perfect(pair: tuple[Tensor, Tensor]) -> None:
    judge = judges(as_released=True)
    whole, narrow = judge.distances(*pair), judge.distances(*pair, left(0.25))
    assert value(narrow, "ssim") == pytest.approx(0.75 + 0.25 * value(whole, "ssim"), abs=0.06)
    assert value(narrow, "features") < 0.5 * value(whole, "features")


def test_released_similarity_has_windows_over_the_border(pair: tuple[Tensor, Tensor]) -> None:
    inside, over = (value(judges(as_released=way).distances(*pair), "ssim") for way in (False, True))
    assert inside == pytest.approx(ssim(*pair))
    assert inside != over


def test_released_lpips_is_that_of_pictures_in_half_their_range(pair: tuple[Tensor, Tensor]) -> None:
    released = judges(lpips=True, as_released=True).distances(*pair)
    squeezed = judges(lpips=True).distances(*(picture / 2 + 0.5 for picture in pair))
    assert value(released, "lpips") == pytest.approx(value(squeezed, "lpips"))


def test_frechet_distance_has_the_name_of_its_network(pair: tuple[Tensor, Tensor]) -> None:
    judge = judges()
    one, other = ([judge.features(picture), judge.features(picture.flip(2))] for picture in pair)
    assert judge.frechet(one, one) == {"frechet": pytest.approx(0, abs=1e-6)}
    assert value(judge.frechet(one, other), "frechet") > 0
    assert judge.frechet(one[:1], other) == {}
    assert not judges(as_released=True).features(pair[0]).equal(judge.features(pair[0]))


def test_as_released_a_river_stays_and_a_lake_moves() -> None:
    kinds = torch.zeros(len(KINDS), 4, 4)
    for row, kind in enumerate(("sky", "lake", "river", "static")):
        kinds[KINDS.index(kind), row] = 1
    sight = Sight(kinds, torch.zeros(2, 4, 4), torch.zeros(2, 4, 4), torch.ones(4, 4))
    proper, released = (moving_of(sight, (4, 4), as_released=way)[:, 0].tolist() for way in (False, True))
    assert proper == [True, True, True, False]
    assert released == [True, True, False, False]


def test_sky_flow_of_a_known_drift_is_in_units_of_the_homographies() -> None:
    wide = texture(128)
    frames = [np.ascontiguousarray(wide[:, 20 - 2 * n : 84 - 2 * n]) for n in range(6)]  # 48 px high
    sky = torch.ones(48, 64, dtype=torch.bool)
    assert sky_flow(frames, sky, 30) == pytest.approx(1000 * 2 / 24, rel=0.1)
    assert sky_flow(frames, sky, 15) == pytest.approx(500 * 2 / 24, rel=0.1)
    assert sky_flow(frames, ~sky, 30) is None


def test_two_frames_of_a_sample_differ_by_what_is_dynamic_alone() -> None:
    networks = small_networks()
    one, other = PairSampler(networks, 1.0).pair()
    assert not one.equal(other)
    for name, gain in networks.generator.named_parameters():
        if ".noise12" in name or ".noise22" in name:
            gain.zero_()
    one, other = PairSampler(networks, 0.0).pair()  # all styles are the mean one
    assert one.equal(other)


# ---- the commands


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a photo, two clips of one photo whose upper part drifts, a set; no models are installed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "nothing"))
    with Image.open(HARBOUR) as whole:
        photo = np.array(whole.convert("RGB").resize((96, 64)))
    Image.fromarray(photo).save(tmp_path / "photo.png")
    for clip in ("a", "b"):
        (tmp_path / clip).mkdir()
        for n in range(11):
            frame = photo.copy()
            frame[:24] = np.roll(photo[:24], n, axis=1)
            Image.fromarray(frame).save(tmp_path / clip / f"{n:02d}.png")
    write_landscape_set(tmp_path / "set.safetensors")
    return tmp_path


@pytest.fixture
def measured(folder: Path, capfd: Capture) -> Run:
    """`cinegan evaluate ARGUMENTS --json`, which must succeed; its means by method, and the notes."""

    def run(arguments: str) -> dict[str, Any]:
        outcome = invoke(f"evaluate {arguments} --json", capfd)
        assert (outcome.status, outcome.complaints) == (ExitStatus.OK, [])
        means = json.loads(outcome.stdout)["means"]
        return {row["method"]: row for row in means["rows"]} | {"notes": " ".join(means["notes"])}

    return run


def test_ways_to_invert_have_their_rows(folder: Path, measured: Run) -> None:
    found = measured("photo.png --table dl-inversion --models set.safetensors --steps 3 --csv each.csv")
    assert [name for name in found if name != "notes"] == list(VARIANTS)
    assert all({"ssim", "features", "psnr", "seconds"} <= found[name].keys() for name in ("I2S", "EOIFS"))
    assert found["EOIF"]["psnr"] > found["E"]["psnr"]
    assert "EfficientNet-Lite features" in found["notes"]
    with (folder / "each.csv").open(newline="") as file:
        assert [row["method"] for row in csv.DictReader(file)] == [name for name in found if name != "notes"]


def test_the_encoders_guess_is_left_out_without_an_encoder(folder: Path, measured: Run) -> None:
    write_landscape_set(folder / "bare.safetensors", "generator")
    found = measured("photo.png --table dl-inversion --models bare.safetensors --steps 1")
    assert "E" not in found
    assert {"MO", "EOIFS"} < found.keys()
    assert "E: left out" in found["notes"]


def test_samples_are_measured_against_photos(folder: Path, measured: Run) -> None:
    write_script(Levels(), folder / "net.pt")
    arguments = "a b --table dl-generation --models set.safetensors --samples 3 --count 6"
    found = measured(f"{arguments} --fid net.pt")
    drawn, real = (row for name, row in found.items() if name != "notes")
    assert drawn["fid"] > real["fid"] >= 0
    squeezed = measured(f"{arguments} --fid net.pt --repo-compatible")
    assert squeezed["set"]["fid"] < drawn["fid"]
    assert "half their range" in squeezed["notes"]


def test_animations_are_measured_against_the_true_clip(folder: Path, measured: Run) -> None:
    write_script(Levels(), folder / "net.pt")
    arguments = "a b --table dl-animation --models set.safetensors --steps 1 --variant MO --winds 1 --compare 0.34"
    found = measured(f"{arguments} --fid net.pt --fvd net.pt")
    truth, pixels, slow, fast, animated = (row for name, row in found.items() if name != "notes")
    assert list(found)[2:4] == ["DeepLandscape, manual", "DeepLandscape, x2.5"]
    assert truth["pace"] == 1
    assert (truth["static_ssim"], truth["fvd"]) == (pytest.approx(1, abs=1e-4), None)
    assert truth["ssim"] < pixels["static_ssim"]
    assert slow["static_ssim"] < pixels["static_ssim"]
    assert animated["static_ssim"] > 2 * fast["static_ssim"]
    assert min(pixels["fvd"], slow["fvd"], fast["fvd"]) > 0
    assert truth["fid"] < slow["fid"]


class Levels(torch.nn.Module):
    """Mean levels of pictures or clips, as the networks of FID and FVD are called."""

    def forward(self, pictures: Tensor, rescale: bool = False, return_features: bool = False) -> Tensor:
        scale = 1.0 if rescale else 2.0
        return pictures.float().flatten(2).mean(2) * scale
