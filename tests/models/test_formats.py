"""Released files become networks: recognised by their tensors, checked, and never executed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cinegan_cli.errors import InputError, UsageError
from cinegan_cli.models import load_released
from cinegan_cli.models.formats.nvidia import to_port
from cinegan_cli.nn.classifier import PixelClassifier
from cinegan_cli.nn.pix2pixhd import GlobalGenerator
from cinegan_cli.nn.stylegan2.encoder import Encoder, EncoderConfig
from cinegan_cli.nn.stylegan2.generator import Generator, GeneratorConfig
from tests.released_files import TINY, evil_file, generator_file, halved, mask_file, motion_file, state_of


def test_generator_makes_the_same_pictures(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = Generator(TINY)
    loaded = load_released(generator_file(tmp_path / "g.pt"), kind="generator")
    assert isinstance(loaded, Generator)
    w_plus = own.w_plus(own.mapping(torch.randn(2, 8)))
    assert torch.equal(own.synthesize(w_plus), loaded.synthesize(w_plus))
    d = torch.randn(1, loaded.config.channels(6), 16, 16)
    assert loaded.synthesize_from(d, w_plus[:1], 6).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(size=8, style_dim=4, mapping_layers=1, max_channels=5),
        GeneratorConfig(size=64, style_dim=6, mapping_layers=8, channel_multiplier=0.03125, max_channels=24),
    ],
)
def test_a_generators_shape_is_read_off_its_tensors(tmp_path: Path, config: GeneratorConfig) -> None:
    loaded = load_released(generator_file(tmp_path / "g.pt", config=config))
    assert isinstance(loaded, Generator)
    assert {k: v.shape for k, v in loaded.state_dict().items()} == {
        k: v.shape for k, v in Generator(config).state_dict().items()
    }


def test_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = Encoder(EncoderConfig(n_styles=3, style_dim=4, channels=5)).eval()
    torch.save(state_of(own), tmp_path / "enc.pth.tar")
    loaded = load_released(tmp_path / "enc.pth.tar")
    photo = torch.randn(1, 3, 32, 32)
    for a, b in zip(own(photo), loaded(photo), strict=True):
        assert torch.equal(a, b)


def test_classifier_and_motion_network(tmp_path: Path) -> None:
    classifier = load_released(mask_file(tmp_path / "m.pth"), kind="mask")
    assert isinstance(classifier, PixelClassifier)
    assert classifier(torch.randn(5, 1472)).shape == (5, 3)
    motion = load_released(motion_file(tmp_path / "latest_net_G.pth"))
    assert isinstance(motion, GlobalGenerator)
    assert motion(torch.randn(1, 3, 16, 24)).shape == (1, 2, 16, 24)


def test_half_floats_are_widened(tmp_path: Path) -> None:
    loaded = load_released(generator_file(tmp_path / "g.pt", halved))
    assert all(p.dtype == torch.float32 for p in loaded.parameters())


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, legacy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # unpickling it would make a folder here
    evil_file(tmp_path / "evil.pt", legacy=legacy)
    with pytest.raises(InputError, match="refused"):
        load_released("evil.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pt"]


def test_the_kind_asked_for_must_be_there(tmp_path: Path) -> None:
    path = mask_file(tmp_path / "m.pth")
    with pytest.raises(InputError, match="holds a mask network"):
        load_released(path, kind="encoder")
    with pytest.raises(UsageError, match="kind must be one of"):
        load_released(path, kind="melody")  # type: ignore[arg-type]


def nvidia_state(port: Generator) -> dict[str, Tensor]:
    """The same generator under NVIDIA's names."""
    state = port.state_dict()
    out = {"synthesis.b4.const": state["input.input"][0], "mapping.w_avg": torch.zeros(8)}
    for i in range(1, 1 + port.config.mapping_layers):
        out |= {f"mapping.fc{i - 1}.{part}": state[f"style.{i}.{part}"] for part in ("weight", "bias")}
    layers = [("b4.conv1", "conv1", 0)]
    heads = [("b4.torgb", "to_rgb1")]
    for level in range(len(port.to_rgbs)):
        size = 8 * 2**level
        layers += [(f"b{size}.conv{n}", f"convs.{2 * level + n}", 2 * level + n + 1) for n in (0, 1)]
        heads.append((f"b{size}.torgb", f"to_rgbs.{level}"))
    for theirs, ours, noise in layers:
        out[f"synthesis.{theirs}.weight"] = state[f"{ours}.conv.weight"][0]
        out[f"synthesis.{theirs}.affine.weight"] = state[f"{ours}.conv.modulation.weight"]
        out[f"synthesis.{theirs}.affine.bias"] = state[f"{ours}.conv.modulation.bias"]
        out[f"synthesis.{theirs}.noise_strength"] = state[f"{ours}.noise.weight"].squeeze()
        out[f"synthesis.{theirs}.noise_const"] = state[f"noises.noise_{noise}"][0, 0]
        out[f"synthesis.{theirs}.bias"] = state[f"{ours}.activate.bias"]
        out[f"synthesis.{theirs}.resample_filter"] = torch.ones(4, 4) / 16
    for theirs, ours in heads:
        out[f"synthesis.{theirs}.weight"] = state[f"{ours}.conv.weight"][0]
        out[f"synthesis.{theirs}.affine.weight"] = state[f"{ours}.conv.modulation.weight"]
        out[f"synthesis.{theirs}.affine.bias"] = state[f"{ours}.conv.modulation.bias"]
        out[f"synthesis.{theirs}.bias"] = state[f"{ours}.bias"].flatten()
    return out


def test_nvidias_naming_gives_the_same_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = Generator(TINY)
    torch.save({"g_ema": nvidia_state(own)}, tmp_path / "nvidia.pt")
    loaded = load_released(tmp_path / "nvidia.pt")
    assert isinstance(loaded, Generator)
    w_plus = torch.randn(1, own.config.n_styles, 8)
    assert torch.allclose(own.synthesize(w_plus), loaded.synthesize(w_plus), atol=1e-5)


def test_nvidias_upsampling_convolution_is_the_ports() -> None:
    """Zeros between the pixels, correlation with the kernel turned by 180 degrees, then the filter times 4."""
    torch.manual_seed(0)
    own = Generator(TINY)
    port = to_port(nvidia_state(own))
    x, w = torch.randn(1, 6, 8, 8), torch.randn(1, 8)
    conv = own.convs[2].get_submodule("conv")
    weight = port["convs.2.conv.weight"][0]
    style = F.linear(w, port["convs.2.conv.modulation.weight"] / 8**0.5, port["convs.2.conv.modulation.bias"])
    scaled = weight * style.view(1, -1, 1, 1)
    scaled = scaled * torch.rsqrt(scaled.square().sum((1, 2, 3), keepdim=True) + 1e-8)
    stuffed = torch.zeros(1, 6, 16, 16)
    stuffed[:, :, ::2, ::2] = x
    full = F.conv2d(F.pad(stuffed, (2, 1, 2, 1)), scaled.flip(2, 3))
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = (4 * taps[:, None] * taps).expand(6, 1, 4, 4)
    wanted = F.conv2d(F.pad(full, (1, 1, 1, 1)), kernel, groups=6)
    made, factor = conv(x, w)
    got = made * factor
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))
    assert torch.allclose(got[inner], wanted[inner][:, :, : got[inner].shape[2], : got[inner].shape[3]], atol=1e-4)
