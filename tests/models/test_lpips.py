"""LPIPS that the user brings: import, what the set is good for, and what `evaluate` and `train encoder` make of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cinegan_cli.config import InversionConfig
from cinegan_cli.errors import ModelMissingError
from cinegan_cli.evaluate.protocol import read_judges
from cinegan_cli.evaluate.settings import EvaluateConfig
from cinegan_cli.models.bundle import Bundle, write_bundle
from cinegan_cli.models.lpips import NONE, find_lpips, read_lpips
from cinegan_cli.models.store import BUNDLE_KIND, first_with, installed, model_path, open_models
from cinegan_cli.nn.lpips import Backbone
from cinegan_cli.session import Session
from cinegan_cli.systems.stylecinegan.invert import choose_models
from cinegan_cli.training.tasks.perceptual import edge_distance, perceptual_distance
from tests.released_files import generator_file, lpips_files, lpips_states
from tests.small_models import write_models
from tests.small_scene import invoke

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("CINEGAN_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_set_keeps_what_lpips_needs(capfd: Capture) -> None:
    lpips_files(Path())
    features, heads = lpips_states()
    outcome = invoke("models import heads.pth net.pth", capfd)
    assert (outcome.status, outcome.complaints, installed()) == (0, [], ["lpips"])
    models = open_models("lpips")
    assert models.parts == ("lpips",)
    assert "BSD" in models.config["licence"]
    assert [source["file"] for source in models.config["source"]] == ["heads.pth", "net.pth"]
    assert not [name for name in models.names if "classifier" in name]
    state = models.lpips().state_dict()
    assert torch.equal(state["features.10.bias"], features["features.10.bias"])
    assert torch.equal(state["heads.4"], heads["lin4.model.1.weight"].flatten())
    listed = json.loads(invoke("models list --json", capfd).stdout)
    assert listed["installed"]["lpips"]["parts"] == ["lpips"]
    assert invoke("models verify", capfd).stdout == "lpips: lpips: all good\n"
    assert invoke("models rm lpips", capfd).status == 0
    assert installed() == []


@pytest.mark.parametrize(
    ("backbone", "form"),
    [("alex", "torchvision's names"), ("alex", "the package's names"), ("alex", "before zip"), ("vgg", "before zip")],
)
def test_one_file_may_hold_both(backbone: Backbone, form: str, capfd: Capture) -> None:
    features, heads = lpips_states(backbone)
    if form == "the package's names":
        features = {name.replace("features", "net.slice1"): value for name, value in features.items()}
        features["scaling_layer.shift"] = torch.zeros(1, 3, 1, 1)
    torch.save(features | heads, "both.pth", _use_new_zipfile_serialization=form != "before zip")
    assert invoke("models import both.pth --name other", capfd).status == 0
    network = open_models("other").lpips()
    assert network.backbone == backbone
    assert torch.equal(network.state_dict()["heads.2"], heads["lin2.model.1.weight"].flatten())
    assert torch.equal(read_lpips([Path("both.pth")]).heads[0], network.heads[0])


def test_it_is_never_taken_for_a_generator(home: Path, capfd: Capture) -> None:
    lpips_files(Path())
    invoke("models import net.pth heads.pth --name a", capfd)
    assert choose_models(InversionConfig(), Session()) is None
    assert open_models().name == "compact"
    with pytest.raises(ModelMissingError, match="no generator with its encoder"):
        choose_models(InversionConfig(models="a"), Session())
    write_models(home / "models" / "whole.safetensors")
    assert open_models().name == "whole"
    found = first_with("lpips")
    assert found is not None
    assert found.name == "a"


def test_it_can_join_a_generator(capfd: Capture) -> None:
    generator_file(Path("g.pt"))
    lpips_files(Path())
    assert invoke("models import net.pth g.pt heads.pth", capfd).status == 0
    assert open_models("lhq-1024").parts == ("generator", "lpips")
    assert invoke("models verify lhq-1024", capfd).status == 0


def test_what_is_installed_is_used_unless_told_otherwise(capfd: Capture) -> None:
    missing = read_judges(EvaluateConfig())
    assert missing.lpips is None
    assert "cinegan models import alexnet-owt-7be5be79.pth alex.pth" in missing.notes[0]
    assert "--lpips" in missing.notes[0]
    assert perceptual_distance((), torch.device("cpu")) is edge_distance
    lpips_files(Path())
    invoke("models import net.pth heads.pth", capfd)
    judges = read_judges(EvaluateConfig())
    assert judges.lpips is not None
    assert judges.notes[0] == "LPIPS: AlexNet, from lpips.safetensors."
    picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    distance = perceptual_distance((), torch.device("cpu"))(2 * picture - 1, 1 - 2 * picture)
    assert float(distance) == pytest.approx(float(judges.lpips(picture, 1 - picture)))
    assert perceptual_distance(NONE, torch.device("cpu")) is edge_distance
    assert find_lpips(NONE) == (None, "LPIPS: left out (--lpips none).")


def test_training_says_what_it_learns_by(capfd: Capture) -> None:
    without = invoke("train encoder --data nowhere", capfd)
    assert "note: LPIPS: left out, no weights given" in without.stderr
    assert "Edges stand in for it." in without.stderr
    lpips_files(Path())
    invoke("models import net.pth heads.pth", capfd)
    assert "note: LPIPS: AlexNet, from lpips.safetensors." in invoke("train encoder --data nowhere", capfd).stderr
    assert "--lpips none" in invoke("train encoder --data nowhere --lpips none", capfd).stderr


def test_files_win_over_what_is_installed(capfd: Capture) -> None:
    lpips_files(Path())
    invoke("models import net.pth heads.pth", capfd)
    features, heads = lpips_states("vgg")
    torch.save(features | heads, "vgg.pth")
    network, note = find_lpips((Path("vgg.pth"),))
    assert network is not None
    assert network.backbone == "vgg"
    assert note == "LPIPS: VGG-16, from vgg.pth."
    same, _ = find_lpips((model_path("lpips"),))
    assert same is not None
    assert same.backbone == "alex"


def test_a_bundle_without_lpips_is_none(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b.safetensors", Bundle(BUNDLE_KIND, {}, {"a": torch.zeros(1)}))
    with pytest.raises(ModelMissingError, match="holds no lpips"):
        read_lpips([tmp_path / "b.safetensors"])


def test_doctor_lists_the_sets(home: Path, capfd: Capture) -> None:
    lpips_files(Path())
    invoke("models import net.pth heads.pth", capfd)
    values = json.loads(invoke("doctor --json", capfd).stdout)
    shipped, lpips = values["models compact"], values["models lpips"]
    assert (shipped["state"], shipped["parts"]) == ("ok", ["generator", "encoder"])
    assert lpips["parts"] == ["lpips"]
    assert lpips["bytes"] == model_path("lpips").stat().st_size
    assert "lpips, 9.9 MB" in lpips["detail"]
    (home / "models" / "half.safetensors").write_bytes(b"half")
    broken = invoke("doctor", capfd)
    assert broken.status == 7
    line = next(line for line in broken.stdout.splitlines() if line.startswith("BROKEN"))
    assert line.endswith("cinegan models rm half")
