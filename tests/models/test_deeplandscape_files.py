"""DeepLandscape's released files: recognised, checked, imported as a set of their own system."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from cinegan_cli.errors import CineganError, InputError, ModelMissingError, UsageError
from cinegan_cli.models import (
    Bundle,
    DeepLandscapeSet,
    find_deeplandscape,
    import_files,
    load_released,
    open_models,
    verify,
    write_bundle,
)
from cinegan_cli.nn.deeplandscape import CompactEncoder, Discriminators, Encoder, Generator, Lighting
from tests import deeplandscape_files as files
from tests.bad_files import Evil
from tests.released_files import generator_file
from tests.small_scene import invoke


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CINEGAN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def same(one: nn.Module, other: nn.Module) -> None:
    states = one.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


@pytest.mark.parametrize("legacy", [False, True])
def test_a_model_file_has_a_generator_and_discriminators(tmp_path: Path, legacy: bool) -> None:
    path = files.save(tmp_path / "475000.model", files.model_dict(), legacy=legacy)
    generator = load_released(path, kind="deeplandscape_generator")
    assert isinstance(generator, Generator)
    same(generator, files.generator())  # the average, not the generator that is trained
    critics = load_released(path, kind="deeplandscape_discriminator")
    assert isinstance(critics, Discriminators)
    assert critics.static(torch.zeros(2, 3, 16, 16)).shape == (2, 1)
    assert critics.pairwise(torch.zeros(2, 2, 3, 16, 16), alpha=0.5).shape == (2, 1)
    with pytest.raises(InputError, match="holds a deeplandscape_generator and a deeplandscape_discriminator"):
        load_released(path)
    with pytest.raises(InputError, match="not a deeplandscape_encoder network"):
        load_released(path, kind="deeplandscape_encoder")


@pytest.mark.parametrize(
    "config",
    [
        {"levels": 9, "style_dim": 6, "multiplier": 1 / 128, "mapping_layers": 3},
        {"levels": 7, "style_dim": 8, "multiplier": 0.3, "channels": 20, "mapping_layers": 2},
        {"levels": 1, "style_dim": 5, "multiplier": 1.0, "channels": 3, "mapping_layers": 1},
    ],
)
def test_a_generators_shape_is_read_off_its_tensors(tmp_path: Path, config: dict[str, object]) -> None:
    own = files.seeded(Generator, **config)
    path = files.save(tmp_path / "a.model", files.model_dict(g_running=own.state_dict()))
    same(load_released(path, kind="deeplandscape_generator"), own)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_encoder_and_lighting_network(tmp_path: Path, legacy: bool, whole: bool) -> None:
    for own in (files.encoder(), files.lighting()):
        path = tmp_path / "best_model.pth"
        if whole:
            files.save_whole(path, own, legacy=legacy)
        else:
            files.save(path, own.state_dict(), legacy=legacy)
        kind = "deeplandscape_encoder" if isinstance(own, Encoder) else "deeplandscape_lighting"
        loaded = load_released(path, kind=kind)
        same(loaded, own)
        assert not loaded.training
        same(load_released(path), own)


def test_the_encoder_says_how_many_levels(tmp_path: Path) -> None:
    loaded = load_released(files.save(tmp_path / "e.pth", files.encoder(levels=8).state_dict()))
    assert isinstance(loaded, Encoder)
    assert loaded(torch.zeros(1, 3, 64, 64)).shape == (1, 8, 2, 512)


# ---- sets


def imported(*paths: Path, name: str | None = None) -> DeepLandscapeSet:
    return DeepLandscapeSet(import_files(paths, name, licence="", moves={}))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_release_becomes_a_set(tmp_path: Path, legacy: bool) -> None:
    made = imported(*files.release(tmp_path, legacy=legacy))
    assert made.name == "deeplandscape"
    assert made.models.parts == ("deeplandscape_generator", "deeplandscape_encoder", "deeplandscape_lighting")
    assert made.levels == 3
    assert verify(open_models("deeplandscape")) == made.models.parts
    same(made.generator(), files.generator())
    encoder, lighting = made.encoder(), made.lighting()
    assert encoder is not None
    assert lighting is not None
    same(encoder, files.encoder())
    same(lighting, files.lighting())
    z = torch.randn(20_000, 512)
    with torch.no_grad():
        torch.testing.assert_close(made.mean_w(), made.generator().mapping(z).mean(0), atol=0.1, rtol=0)
    assert find_deeplandscape() == made.models.path
    assert "MIT" in made.models.config["licence"]
    assert [source["file"] for source in made.models.config["source"]] == ["475000.model", *["best_model.pth"] * 2]


def test_import_verify_list(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = " ".join(map(str, files.release(tmp_path)))
    assert "475000.model" in invoke("models list", capfd).stdout  # what to bring
    done = invoke(f"models import {paths}", capfd)
    assert (done.status, done.complaints) == (0, [])
    assert "all good" in invoke("models verify deeplandscape", capfd).stdout
    listed = json.loads(invoke("models list --json", capfd).stdout)["installed"]["deeplandscape"]
    assert listed["system"] == "deeplandscape"
    assert listed["parts"] == ["deeplandscape_generator", "deeplandscape_encoder", "deeplandscape_lighting"]
    shown = invoke("models list", capfd).stdout
    assert shown.count("--backbone deeplandscape") >= 2  # the parts' purposes


def test_sets_of_two_systems_stay_apart(tmp_path: Path) -> None:
    made = imported(files.save(tmp_path / "a.model", files.model_dict()))
    assert open_models().name == "compact"  # which StyleCineGAN takes without a name
    other = generator_file(tmp_path / "g.pt")
    with pytest.raises(UsageError, match="a set for deeplandscape"):
        import_files([other], "deeplandscape", licence="", moves={})
    with pytest.raises(UsageError, match="as two sets"):
        import_files([other, tmp_path / "a.model"], None, licence="", moves={})
    same(DeepLandscapeSet(open_models("deeplandscape")).generator(), made.generator())
    import_files([other], "a", licence="", moves={})  # before "deeplandscape" by name
    assert find_deeplandscape() == made.models.path
    with pytest.raises(ModelMissingError, match="no generator of DeepLandscape"):
        DeepLandscapeSet(open_models("a"))


def test_networks_that_were_trained_one_by_one(tmp_path: Path) -> None:
    config = {"levels": 4, "style_dim": 8, "dynamic_dim": 3, "multiplier": 1 / 64, "channels": 512, "mapping_layers": 1}
    small = {"levels": 4, "style_dim": 8, "variant": "lite0", "hidden": 4}
    light = {"style_dim": 8, "hidden": 4, "blocks": 1}
    made = {
        "generator": (files.seeded(Generator, **config), config),
        "encoder": (files.seeded(CompactEncoder, **small), small),
        "lighting": (files.seeded(Lighting, **light), light),
    }
    paths = []
    for part, (module, arguments) in made.items():
        paths.append(tmp_path / f"{part}.safetensors")
        write_bundle(paths[-1], Bundle(f"deeplandscape_{part}", arguments, module.state_dict()))
    alone = DeepLandscapeSet(open_models(paths[0]))
    same(alone.generator(), made["generator"][0])
    assert (alone.levels, alone.encoder(), alone.lighting()) == (4, None, None)
    joined = imported(*paths)
    assert joined.name == "deeplandscape"
    torch.testing.assert_close(joined.mean_w(), alone.mean_w())
    encoder, lighting = joined.encoder(), joined.lighting()
    assert isinstance(encoder, CompactEncoder)
    assert lighting is not None
    same(encoder, made["encoder"][0])
    same(lighting, made["lighting"][0])
    assert verify(open_models("deeplandscape")) == joined.models.parts
    again = imported(joined.models.path, name="copy")
    torch.testing.assert_close(again.mean_w(), joined.mean_w())


@pytest.mark.parametrize("config", [{}, {"levels": "many"}, {"levels": 4, "style_dim": 8, "colour": 1}, None])
def test_a_bundle_of_an_unknown_form(tmp_path: Path, config: dict[str, object]) -> None:
    sets = Bundle("deeplandscape", {"deeplandscape_generator": config}, {"deeplandscape_generator.a": torch.zeros(1)})
    write_bundle(tmp_path / "a.safetensors", sets)
    with pytest.raises(InputError, match=r"known form|is unknown|is missing"):
        DeepLandscapeSet(open_models(tmp_path / "a.safetensors")).generator()
    with pytest.raises(InputError, match=r"known form|is unknown|is missing"):
        verify(open_models(tmp_path / "a.safetensors"))


# ---- bad files


def truncated(folder: Path) -> Path:
    path = files.save(folder / "a.model", files.model_dict())
    path.write_bytes(path.read_bytes()[:-5000])
    return path


def truncated_legacy(folder: Path) -> Path:
    path = files.save(folder / "a.model", files.model_dict(), legacy=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def truncated_module(folder: Path) -> Path:
    path = files.save_whole(folder / "a.pth", files.encoder(), legacy=True)
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def with_nan(folder: Path) -> Path:
    return files.save(folder / "a.model", files.model_dict(g_running=files.with_nan(files.generator().state_dict())))


def module_with_nan(folder: Path) -> Path:
    encoder = files.encoder()
    encoder.load_state_dict(files.with_nan(encoder.state_dict()))
    return files.save_whole(folder / "a.pth", encoder)


def without_average(folder: Path) -> Path:
    return files.save(folder / "a.model", files.model_dict(g_running=None))


def average_of_numbers(folder: Path) -> Path:
    return files.save(folder / "a.model", files.model_dict(g_running={"a": 3}))


def one_noise(folder: Path) -> Path:
    state = {name: value for name, value in files.generator().state_dict().items() if "noise12" not in name}
    return files.save(folder / "a.model", files.model_dict(g_running=state))


def odd_name(folder: Path) -> Path:
    return files.save(folder / "a.pth", {**files.lighting().state_dict(), "a\nb": torch.zeros(1)})


def odd_channels(folder: Path) -> Path:
    state = files.generator().state_dict()
    state["generator.to_rgb.1.conv.weight_orig"] = torch.zeros(3, 11, 1, 1)
    return files.save(folder / "a.model", files.model_dict(g_running=state))


def odd_encoder(folder: Path) -> Path:
    return files.save(folder / "a.pth", files.seeded(Encoder, **{**files.ENCODER, "style_dim": 100}).state_dict())


def evil_module(folder: Path) -> Path:
    return files.save_whole(folder / "a.pth", files.encoder(), change=lambda whole: setattr(whole, "extra", Evil()))


def evil_module_legacy(folder: Path) -> Path:
    def change(whole: nn.Module) -> None:
        whole._buffers["extra"] = Evil()  # type: ignore[assignment]

    return files.save_whole(folder / "a.pth", files.lighting(), legacy=True, change=change)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (evil_module, "refused"),
        (evil_module_legacy, "refused"),
        (truncated, "damaged"),
        (truncated_legacy, "damaged"),
        (truncated_module, "refused"),
        (with_nan, "not finite"),
        (module_with_nan, "not finite"),
        (without_average, "without g_running"),
        (average_of_numbers, "without g_running"),
        (one_noise, "noise12.weight_orig is missing"),
        (odd_channels, "channels"),
        (odd_name, "a\\nb"),
        (odd_encoder, "no multiple of 512"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], Path], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    done = invoke(f"models import {make(tmp_path)}", capfd)
    assert done.status == 3
    assert len(done.complaints) == 1
    assert said in done.complaints[0]
    assert len([*tmp_path.iterdir()]) == 1  # nothing installed, nothing executed


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: files.encoder(levels=5), "an encoder of 5 levels (64 px) for a generator of 3 (16 px)"),
        (lambda: files.encoder(levels=2), "an encoder of 2 levels"),
        (lambda: files.lighting(style_dim=16), "styles of 16 numbers"),
    ],
)
def test_parts_that_belong_to_another_generator_are_refused(
    tmp_path: Path, other: Callable[[], nn.Module], said: str
) -> None:
    paths = files.save(tmp_path / "a.model", files.model_dict()), tmp_path / "other.pth"
    files.save(paths[1], other().state_dict())
    with pytest.raises(CineganError) as error:
        imported(*paths)
    assert said in str(error.value)
    assert "other.pth" in str(error.value)
